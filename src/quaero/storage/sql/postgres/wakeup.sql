-- Wake-up between nodes. The channel is the database's own: notifications do not leave it.

-- name: listen
LISTEN quaero_wake_up;

-- name: tell
-- The payload says who calls, so that a node does not wake itself.
SELECT pg_notify('quaero_wake_up', :caller);

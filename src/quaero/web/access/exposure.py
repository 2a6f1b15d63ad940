"""Exposure: nobody serves to a network by mistake."""

from __future__ import annotations

from quaero.errors import ConfigError
from quaero.ports.access import AccessStore
from quaero.ports.clock import Clock
from quaero.web.access.api_keys import is_in_force
from quaero.web.access.policy import Policy


def refuse_without_credentials(policy: Policy, store: AccessStore, clock: Clock) -> None:
    """Raises ConfigError where credentials are asked for and there are none that could be given."""
    if policy.asks_nobody or store.password() is not None:
        return
    now = clock.now()
    if any(is_in_force(key, now) for key in store.list_keys()):
        return
    why = "[server] proxy is on" if policy.proxy else f"{policy.host} can be reached from other machines"
    raise ConfigError(
        f"{why}, and there is neither a password nor an API key; set a password: quaero access password, "
        "or make a key: quaero access keys create NAME --scope read"
    )

"""``quaero access``: the password, API keys, and who did what."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from quaero.cli.exits import UsageError
from quaero.cli.session import Here, Json
from quaero.model.access import Scope

if TYPE_CHECKING:
    from quaero.app import App as Opened

app = App(name="access", help="Who may use the page and the API: password, API keys, audit log.")
keys = App(name="keys", help="API keys for programs.")
app.command(keys)

_ACTOR = "command line"


@app.command
def password(
    *, remove: Annotated[bool, Parameter(help="From now on nobody signs in with one.")] = False, session: Here
) -> None:
    """Set the password of the page; it is asked for twice, or read from standard input. Ends all sessions."""
    from quaero.cli.output import say
    from quaero.web.access.passwords import hash_password

    hashed = "" if remove else hash_password(_password())
    with session.app() as opened:
        if not remove:
            opened.access.set_password(hashed)
        elif not opened.access.remove_password():
            say("there is no password")
            return
        _record(opened, "access password", "", {"removed": True} if remove else {})
    say("the password is removed" if remove else "the password is set; whoever was signed in has to sign in again")


@keys.command(name="list")
def list_keys(*, json: Json = False, session: Here) -> None:
    """List all API keys, also those that are no longer in force."""
    from quaero.cli.output import console, local_time, say, table, write_page
    from quaero.web.access.api_keys import is_in_force

    with session.app() as opened:
        found = opened.access.list_keys()
        now = opened.clock.now()
    if json:
        write_page(found, None)
        return
    rows = table("name", "key", "scope", "made", "last used", "expires", "")
    for key in found:
        state = "" if is_in_force(key, now) else "revoked" if key.revoked_at else "expired"
        times = map(local_time, (key.created_at, key.last_used_at, key.expires_at))
        rows.add_row(key.name, f"{key.prefix}…", key.scope, *times, state)
    if found:
        console().print(rows)
    else:
        say("no API keys; make one with: quaero access keys create NAME --scope read")


@keys.command
def create(
    name: str,
    /,
    *,
    scope: Annotated[Scope, Parameter(help="What it allows: read, run, or admin (each includes those before).")],
    expires: Annotated[str | None, Parameter(help="After this time, as 90d; else never.")] = None,
    json: Json = False,
    session: Here,
) -> None:
    """Make an API key and print it, this once."""
    from quaero.cli.output import say, write_json
    from quaero.web.access.api_keys import create_key, expiry

    with session.app() as opened:
        key, made = create_key(opened.access, name, scope, expiry(expires, opened.clock.now()))
        _record(opened, "access keys create", name, {"scope": scope})
    if json:
        write_json(
            {"name": name, "key": key, "prefix": made.prefix, "scope": scope, "expires_at": made.expires_at},
        )
        return
    say(f"API key {name}, scope {scope}; it is shown this once:")
    print(key)


@keys.command
def revoke(name: str, /, *, session: Here) -> None:
    """End an API key: from now on it opens nothing."""
    from quaero.cli.output import say

    with session.app() as opened:
        opened.access.revoke_key(name)
        _record(opened, "access keys revoke", name, {})
    say(f"API key {name} is revoked")


@app.command
def audit(
    *,
    limit: Annotated[int, Parameter(help="Entries, at most.")] = 100,
    cursor: Annotated[str | None, Parameter(help="`next` of the page before.")] = None,
    json: Json = False,
    session: Here,
) -> None:
    """Show who did what, the newest first."""
    from quaero.cli.output import console, local_time, one_line, say, table, write_page

    if not 1 <= limit <= 10_000:
        raise UsageError(f"--limit {limit}: give a number from 1 to 10000")
    with session.app() as opened:
        entries, following = opened.access.entries(limit=limit, cursor=cursor)
    if json:
        write_page(entries, following)
        return
    rows = table("when", "who", "from", "what", "outcome")
    for entry in entries:
        method, _, route = entry.action.partition(" ")
        what = f"{method} {entry.target}" if route.startswith("/") else f"{entry.action} {entry.target}"
        cells = (entry.actor or "nobody known", entry.address, what, entry.outcome)
        rows.add_row(local_time(entry.at), *(one_line(cell, 120) for cell in cells))
    if entries:
        console().print(rows)
    else:
        say("nothing has been recorded")
    if following:
        say(f"more with: --cursor {following}")


def _record(opened: Opened, action: str, target: str, detail: dict[str, Any]) -> None:
    from quaero.ports.access import AuditDraft

    opened.access.add_entry(AuditDraft(_ACTOR, "", action, target, "done", detail))


def _password() -> str:
    """From the person at the terminal, twice and unseen; else all of standard input but one newline at its end."""
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            first, second = getpass("New password: "), getpass("Once more: ")
        except EOFError:
            raise UsageError("no password was given; nothing has changed") from None
        if first != second:
            raise UsageError("these are two different passwords; nothing has changed")
        return first
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return text.removesuffix("\n").removesuffix("\r")

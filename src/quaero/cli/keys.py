"""``quaero keys``: named values for ``{name}`` in job definitions. Never shows one."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from quaero.cli.exits import UsageError
from quaero.cli.session import Here, Json

app = App(name="keys", help="Keys and secrets that definitions use as {name}.")

Plain = Annotated[bool, Parameter(help="No secret: kept in the clear, not masked in logs.")]


@app.command(name="set")
def set_key(name: str, /, *, plain: Plain = False, session: Here) -> None:
    """Store a value under a name; it is asked for, or read from standard input."""
    from quaero.cli.output import say
    from quaero.definitions.placeholders import is_key_name
    from quaero.errors import BadData

    if not is_key_name(name):
        raise BadData(f"key name {name!r}: use letters, digits, '_' and '-' only")
    with session.app() as opened:
        opened.keys.set(name, _value(name), secret=not plain)
    say(f"key {name} is stored{'' if plain else ', encrypted'}")


@app.command(name="list")
def list_keys(*, json: Json = False, session: Here) -> None:
    """List the names of the keys and whether they are secret."""
    from quaero.cli.output import console, say, table, write_page

    with session.app() as opened:
        names = opened.keys.names()
    if json:
        write_page([{"name": name, "secret": secret} for name, secret in names.items()], None)
        return
    rows = table("name", "kind")
    for name, secret in names.items():
        rows.add_row(name, "secret" if secret else "plain")
    if names:
        console().print(rows)
    else:
        say("no keys; store one with: quaero keys set NAME")


@app.command
def delete(name: str, /, *, session: Here) -> None:
    """Forget a key."""
    from quaero.cli.output import say

    with session.app() as opened:
        opened.keys.delete(name)
    say(f"key {name} is deleted")


def _value(name: str) -> str:
    """From the person at the terminal, unseen; else all of standard input but one newline at its end."""
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            return getpass(f"Value of {name}: ")
        except EOFError:
            raise UsageError(f"no value was given; key {name} stays as it was") from None
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return text.removesuffix("\n").removesuffix("\r")

"""``quaero``: finds the command, runs it, turns what it raises into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter

import quaero
from quaero.cli import (
    access,
    copy,
    docs,
    doctor,
    exits,
    jobs,
    keys,
    logs,
    migrate,
    run,
    schedules,
    serve,
    validate,
    worker,
    workers,
)
from quaero.cli.session import Session
from quaero.errors import BadData, ConfigError, InvalidDefinition, NotFound, QuaeroError, Refused

app = App(
    name="quaero",
    help="Self-hosted research automation: runs job definitions, keeps what they find as documents.",
    version=quaero.__version__,
    default_parameter=Parameter(negative=()),
    result_action="return_value",
)
app.command(run.run)
app.command(validate.validate)
app.command(serve.serve)
app.command(worker.worker)
app.command(migrate.migrate)
app.command(copy.copy)
for group in (jobs.app, schedules.app, logs.app, docs.app, keys.app, access.app, workers.app, doctor.app):
    app.command(group)
app.meta.group_parameters = Group("Everywhere", sort_key=9)

_USERS_TO_MEND = (Refused, NotFound, ConfigError, BadData, exits.UsageError)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    data: Annotated[Path | None, Parameter(help="The data folder (else QUAERO_DATA, else the user's own).")] = None,
) -> int:
    """Run the command that ``tokens`` spell, with a session on the data folder."""
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    extra: dict[str, Any] = {name: Session(data) for name in ignored}
    return command(*bound.args, **bound.kwargs, **extra) or exits.OK


def main() -> NoReturn:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        # A file name may hold what the terminal's encoding can't say.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = called(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has gone; the interpreter must not complain while it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exits.BROKEN_PIPE
    sys.stderr.flush()
    # Every command has closed what it opened; a job's thread that does not end must not keep the process.
    os._exit(code)


def called(arguments: Sequence[str]) -> int:
    """The exit code of a command line; errors are told on standard error."""
    try:
        return int(app.meta(_spelled_out(arguments), exit_on_error=False, print_error=False) or exits.OK)
    except CycloptsError as error:
        return _told(f"{error} (quaero --help shows how)", exits.BAD_INPUT)
    except InvalidDefinition as error:
        return _told("\n".join(str(finding) for finding in error.findings), exits.BAD_INPUT)
    except _USERS_TO_MEND as error:
        return _told(f"quaero: {error}", exits.BAD_INPUT)
    except QuaeroError as error:
        return _told(f"quaero: {error}", exits.FAILED)
    except KeyboardInterrupt:
        return exits.CANCELLED


def _spelled_out(arguments: Sequence[str]) -> list[str]:
    """``--resume=7`` as ``--resume 7``: the run it names is optional."""
    words: list[str] = []
    for word in arguments:
        words += word.split("=", 1) if word.startswith("--resume=") else [word]
    return words


def _told(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code

"""``quaero validate``: everything that is wrong with job definitions, at its place."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from quaero.cli import exits
from quaero.cli.session import Here, Json, Session
from quaero.model.definition import Finding

Files = Annotated[list[Path], Parameter(name="FILE", help="Job definitions; they may name one another.", negative=())]
Strict = Annotated[bool, Parameter(help="Warnings count as errors.")]


def validate(files: Files, /, *, strict: Strict = False, json: Json = False, session: Here) -> int:
    """Check job definitions. Exit code: 0 without errors, else 2."""
    from quaero.cli.output import write_page

    findings = _findings(session, files)
    if json:
        write_page(findings, None)
    else:
        _print(findings, len(files))
    bad = [f for f in findings if strict or f.severity == "error"]
    return exits.BAD_INPUT if bad else exits.OK


def _findings(session: Session, paths: Sequence[Path]) -> list[Finding]:
    from quaero.app import definitions_folder, workers_without_data
    from quaero.definitions.context import catalog_of
    from quaero.definitions.files import DefinitionFiles, read_folder, read_text
    from quaero.errors import BadData, NotFound
    from quaero.workers.agents.agent import AVAILABLE_AGENT_TYPES

    given: dict[str, str] = {}
    findings: list[Finding] = []
    for path in paths:
        try:
            given[str(path)] = read_text(path)
        except (NotFound, BadData) as error:
            message = str(error).removeprefix(f"{path}: ")
            findings.append(Finding(code="JD001", severity="error", message=message, file=str(path)))
    files = DefinitionFiles(
        given=given,
        folder=read_folder(definitions_folder(session.config.data)),
        catalog=catalog_of(workers_without_data(session.config)),
        agent_types=AVAILABLE_AGENT_TYPES,
        has_key=_keys(session).__contains__,
        environment=os.environ,
    )
    return findings + [finding for file in given for finding in files.check(file).findings]


def _keys(session: Session) -> Collection[str]:
    """The names of the stored keys: none where there is no data folder yet."""
    if not session.config.database.exists():
        return ()
    with session.app() as opened:
        return opened.keys.names()


def _print(findings: Sequence[Finding], files: int) -> None:
    from quaero.cli.output import plain, say

    for finding in findings:
        print(plain(finding))
    say(f"{_many(files, 'file')}: {_count(findings, 'error')}, {_count(findings, 'warning')}")


def _count(findings: Sequence[Finding], severity: str) -> str:
    return _many(sum(f.severity == severity for f in findings), severity)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

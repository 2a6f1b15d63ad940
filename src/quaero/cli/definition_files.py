"""Definition files: read, checked together, and with the definitions that they start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quaero.cli.exits import UsageError
from quaero.definitions.context import KnownDefinition, LoadContext, LoadResult, WorkerSpec, peek
from quaero.definitions.load import load_definition
from quaero.errors import BadData, InvalidDefinition
from quaero.model.definition import JobDefinition
from quaero.queue.job_manager import Library
from quaero.queue.step_manager import StepManager


@dataclass(frozen=True)
class DefinitionFiles:
    """The files given on the command line and those in the definitions folder."""

    given: Mapping[str, str]
    """Path as given -> text."""
    folder: Mapping[str, str]
    workers: StepManager
    has_key: Callable[[str], bool]
    overrides: Mapping[str, str] = field(default_factory=dict)

    def check(self, file: str) -> LoadResult:
        """The definition in one of the given files, and its findings."""
        return load_definition(self.given[file], file=file, context=self._context(self.overrides))

    def load(self, file: str) -> LoadResult:
        """As ``check``; raises InvalidDefinition where there is an error."""
        result = self.check(file)
        if result.definition is None:
            raise InvalidDefinition(result.findings)
        return result

    def library(self, definition: JobDefinition) -> Library:
        """The definitions that this one's pre and post jobs name, and theirs; with errors in them, none is started."""
        places = self._known()
        texts = {**self.folder, **self.given}
        context = self._context({})
        found: dict[str, tuple[JobDefinition, str]] = {}
        todo = [*definition.pre_jobs, *definition.post_jobs]
        while todo:
            name = todo.pop()
            if name in found or name == definition.id:
                continue
            file = places[name].file
            result = load_definition(texts[file], file=file, context=context)
            if result.definition is None:
                raise InvalidDefinition(result.findings)
            found[name] = (result.definition, texts[file])
            todo += [*result.definition.pre_jobs, *result.definition.post_jobs]
        return found

    def _known(self) -> dict[str, KnownDefinition]:
        """By id; of two files with one id the first counts, the other is told of it (JD004)."""
        known: dict[str, KnownDefinition] = {}
        for file, text in (*self.folder.items(), *self.given.items()):
            if found := peek(text, file=file):
                known.setdefault(*found)
        return known

    def _context(self, overrides: Mapping[str, str]) -> LoadContext:
        from quaero.workers.agents.agent import AVAILABLE_AGENT_TYPES

        return LoadContext(
            catalog={w.worker_type: WorkerSpec(w.worker_type, w.config) for w in self.workers},
            agent_types=AVAILABLE_AGENT_TYPES,
            known=self._known(),
            has_key=self.has_key,
            environment=os.environ,
            overrides=overrides,
        )


def read_given(files: Iterable[Path]) -> dict[str, str]:
    """Path -> text; raises UsageError or BadData for what can't be read."""
    return {str(file): read_text(file) for file in files}


def read_folder(folder: Path) -> dict[str, str]:
    """All definitions below a folder, by path; what can't be read there concerns nobody here."""
    texts: dict[str, str] = {}
    for file in sorted(folder.rglob("*.toml")):
        try:
            texts[str(file)] = read_text(file)
        except (UsageError, BadData):
            continue
    return texts


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{file}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BadData(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """``k=v`` texts of ``--set`` as a table; the last of several for one key counts."""
    values: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {assignment}: write --set key=value")
        values[key.strip()] = value
    return values

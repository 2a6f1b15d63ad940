"""Definition files: which there are, read, checked together, and with the definitions that they start."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from quaero.definitions.context import KnownDefinition, LoadContext, LoadResult, WorkerSpec, peek
from quaero.definitions.load import load_definition
from quaero.errors import BadData, InvalidDefinition, NotFound
from quaero.model.definition import JobDefinition

SUFFIX = ".toml"
DRAFT_SUFFIX = ".draft.toml"
"""Of definitions that are kept and never run."""

Library = Mapping[str, tuple[JobDefinition, str]]
"""Definitions by id, with their source text."""


class Stamp(NamedTuple):
    """What changes with every change of a file."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        return cls(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def scan(folder: Path) -> dict[str, Stamp]:
    """The definitions and drafts below a folder: relative path, with slashes -> stamp; in the order of their paths.

    What is hidden is left out, and so are folders behind links. A folder that isn't there is empty.

    Raises:
        OSError: a folder can't be read.
    """
    found = dict(_scan(str(folder), ""))
    return {name: found[name] for name in sorted(found, key=PurePosixPath)}


def _scan(folder: str, prefix: str) -> Iterator[tuple[str, Stamp]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _scan(entry.path, f"{prefix}{entry.name}/")
            elif entry.name.endswith(SUFFIX) and (found := _stat(entry)) and stat.S_ISREG(found.st_mode):
                yield f"{prefix}{entry.name}", Stamp.of(found)


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:  # gone meanwhile, or a link to nowhere
        return None


def is_draft(file: str) -> bool:
    return file.endswith(DRAFT_SUFFIX)


def read_folder(folder: Path) -> dict[str, str]:
    """All definitions below a folder that are no drafts, by path; what can't be read there concerns nobody here."""
    texts: dict[str, str] = {}
    try:
        names = [name for name in scan(folder) if not is_draft(name)]
    except OSError:
        return texts
    for name in names:
        try:
            texts[str(folder / name)] = read_text(folder / name)
        except (NotFound, BadData):
            continue
    return texts


def read_given(files: Iterable[Path]) -> dict[str, str]:
    """Path -> text; raises NotFound or BadData for what can't be read."""
    return {str(file): read_text(file) for file in files}


def read_text(file: Path) -> str:
    """Raises NotFound where there is no such file, BadData where it can't be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"{file}: there is no such file") from None
    except OSError as error:
        raise BadData(f"{file}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BadData(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def library_of(definition: JobDefinition, find: Callable[[str], tuple[JobDefinition, str]]) -> Library:
    """The definitions that this one's pre and post jobs name, and theirs. ``find`` gives one, and its text, by id."""
    found: dict[str, tuple[JobDefinition, str]] = {}
    todo = [*definition.pre_jobs, *definition.post_jobs]
    while todo:
        name = todo.pop()
        if name not in found and name != definition.id:
            found[name] = other, _ = find(name)
            todo += [*other.pre_jobs, *other.post_jobs]
    return found


@dataclass(frozen=True)
class DefinitionFiles:
    """The files that someone gives along and those in the definitions folder."""

    given: Mapping[str, str]
    """Path as given -> text."""
    folder: Mapping[str, str]
    catalog: Mapping[str, WorkerSpec]
    agent_types: Collection[str]
    has_key: Callable[[str], bool]
    environment: Mapping[str, str]
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

        def find(name: str) -> tuple[JobDefinition, str]:
            file = places[name].file
            result = load_definition(texts[file], file=file, context=context)
            if result.definition is None:
                raise InvalidDefinition(result.findings)
            return result.definition, texts[file]

        return library_of(definition, find)

    def _known(self) -> dict[str, KnownDefinition]:
        """By id; of two files with one id the first counts, the other is told of it (JD004)."""
        known: dict[str, KnownDefinition] = {}
        for file, text in (*self.folder.items(), *self.given.items()):
            if found := peek(text, file=file):
                known.setdefault(*found)
        return known

    def _context(self, overrides: Mapping[str, str]) -> LoadContext:
        return LoadContext(
            catalog=self.catalog,
            agent_types=self.agent_types,
            known=self._known(),
            has_key=self.has_key,
            environment=self.environment,
            overrides=overrides,
        )

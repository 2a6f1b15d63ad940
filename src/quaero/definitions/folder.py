"""DefinitionFolder: the definitions of the data folder, which are the truth. Lists, checks, writes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from quaero.definitions.atomic import create_file, move_file, remove_file, replace_file
from quaero.definitions.context import LoadContext, LoadResult, WorkerSpec, peek
from quaero.definitions.edit import with_enabled, written_id
from quaero.definitions.entries import DefinitionEntry, entry_of
from quaero.definitions.files import DRAFT_SUFFIX, SUFFIX, Library, library_of
from quaero.definitions.folder_state import BOM, MAX_BYTES, FolderState, StoredFile, look_again
from quaero.definitions.header import is_id
from quaero.definitions.load import load_definition
from quaero.definitions.outline import Outline, outline
from quaero.definitions.schema import DefinitionSchema, definition_schema
from quaero.errors import BadData, InvalidDefinition, NotFound, Refused, VersionConflict
from quaero.model.definition import Finding, JobDefinition

MAX_ID = 100
"""Characters of an id that becomes a file name."""

_UNSAVED = "<unsaved>"


@dataclass(frozen=True, slots=True)
class OpenDefinition:
    """An entry with its text, and what the text means; None where there are errors."""

    entry: DefinitionEntry
    source: str
    definition: JobDefinition | None


@dataclass(frozen=True, slots=True)
class Runnable:
    """All that a run is created from, of one moment."""

    definition: JobDefinition
    source: str
    library: Library


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say of a text."""

    id: str
    """As the text has it; empty where it can't be told."""
    findings: tuple[Finding, ...]
    is_valid: bool
    """Without errors; there may be warnings."""
    graph: Outline


@dataclass(frozen=True)
class _Loaded:
    of: object
    """All that the result depends on."""
    result: LoadResult
    entry: DefinitionEntry


class DefinitionFolder:
    """Reads again only what has changed. May be used by several threads."""

    def __init__(
        self,
        path: Path,
        *,
        catalog: Mapping[str, WorkerSpec],
        agent_types: Collection[str],
        key_names: Callable[[], Collection[str]],
        environment: Mapping[str, str],
        timezone: str = "UTC",
    ) -> None:
        """``key_names``: the names of the stored keys, asked anew by every call; ``timezone``: the server's."""
        self.path = path
        self._catalog = catalog
        self._agent_types = agent_types
        self._key_names = key_names
        self._environment = environment
        self._timezone = timezone
        self._lock = threading.RLock()
        self._state = FolderState()
        self._loaded: dict[str, _Loaded] = {}

    # reading

    def list(self) -> tuple[DefinitionEntry, ...]:
        """All definitions, broken ones and drafts among them, by id."""
        with self._lock:
            state, keys = self._look(), self._keys()
            return tuple(
                self._load(state, state.by_id[definition_id], keys).entry for definition_id in sorted(state.by_id)
            )

    def get(self, definition_id: str) -> OpenDefinition:
        """Raises NotFound."""
        with self._lock:
            state = self._look()
            return self._open(state, state.find(definition_id))

    def definition(self, definition_id: str, *, overrides: Mapping[str, str] | None = None) -> JobDefinition:
        """The definition, with values of ``[config]`` set where ``overrides`` says so.

        Raises:
            NotFound: there is none; InvalidDefinition: it has errors; Refused: it is a draft;
            ConfigError: a value can't be set.
        """
        return self.runnable(definition_id, overrides=overrides).definition

    def library(self, definition: JobDefinition) -> Library:
        """The definitions that this one's pre and post jobs name, and theirs.

        Raises:
            InvalidDefinition: one of them has errors; NotFound: it is gone.
        """
        with self._lock:
            return self._library(self._look(), definition, self._keys())

    def runnable(self, definition_id: str, *, overrides: Mapping[str, str] | None = None) -> Runnable:
        """The definition, its text and those that it names, together; raises as ``definition`` and ``library``."""
        with self._lock:
            state, keys = self._look(), self._keys()
            file = state.find(definition_id)
            result = self._load(state, file, keys).result
            if overrides and result.definition is not None:
                result = self._load_text(state, file.source, file.name, keys, overrides)
            if result.definition is None:
                raise InvalidDefinition(result.findings)
            if file.is_draft:
                raise Refused(f"definition {definition_id!r} is a draft; save it as a definition to run it")
            library = self._library(state, result.definition, keys)
            return Runnable(result.definition, file.source, library)

    def runnables(self) -> dict[str, Runnable | None]:
        """All but drafts, of one moment, by id; None where it can't be run."""
        with self._lock:
            state, keys = self._look(), self._keys()
            return {
                definition_id: self._runnable_or_none(state, file, keys)
                for definition_id, file in sorted(state.by_id.items())
                if not file.is_draft
            }

    def check(self, source: str, *, definition_id: str | None = None) -> Checked:
        """What would be said of a text, whatever it is; ``definition_id``: of the definition whose new text it is."""
        with self._lock:
            state, keys = self._look(), self._keys()
        own = state.by_id.get(definition_id) if definition_id else None
        file = own.name if own else _UNSAVED
        found = self._load_text(state, source, file, keys)
        findings = tuple(_named(finding, "" if file == _UNSAVED else file) for finding in found.findings)
        graph = Outline() if len(source) > MAX_BYTES else outline(source)
        return Checked(id=_id_of(source), findings=findings, is_valid=found.definition is not None, graph=graph)

    @cached_property
    def _schema(self) -> DefinitionSchema:
        return definition_schema(self._catalog, self._agent_types)

    def schema(self) -> DefinitionSchema:
        """What an editor needs to complete keys and values."""
        return self._schema

    # writing

    def create(self, source: str, *, draft: bool = False) -> DefinitionEntry:
        """A new definition, in a file that has its id for a name.

        Raises:
            InvalidDefinition: it has errors, and is to be more than a draft.
            Refused: its id or its file is taken; BadData: there is no id to store it under.
        """
        data = _as_bytes(source)
        with self._lock:
            state = self._look()
            definition_id = _id_of(source)
            if definition_id in state.by_id:
                raise Refused(
                    f"id {definition_id} is already taken by {state.by_id[definition_id].name}; choose another id"
                )
            file = f"{definition_id}{DRAFT_SUFFIX if draft else SUFFIX}"
            if not draft:
                self._refuse_errors(state, source, file)
            elif not is_id(definition_id):
                raise BadData('a draft needs at least its id, by which it is stored: a line id = "a-short-name"')
            if len(definition_id) > MAX_ID:
                raise BadData(f"the id is longer than {MAX_ID} characters; it becomes the name of a file")
            create_file(self.path / file, data)
            return self._entry(file)

    def update(self, definition_id: str, source: str, *, etag: str, draft: bool = False) -> DefinitionEntry:
        """New text for a definition. ``draft`` says what it becomes: a draft is taken out of service.

        Raises:
            NotFound: there is none; VersionConflict: it is another than ``etag`` names.
            InvalidDefinition: the text has errors, and is to be more than a draft.
            Refused: the text has another id, or the file is a link or can't be written.
        """
        data = _as_bytes(source)
        with self._lock:
            state = self._look()
            file = self._to_change(state, definition_id, etag)
            self._refuse_other_id(state, file, definition_id, _id_of(source))
            target = file.stem + (DRAFT_SUFFIX if draft else SUFFIX)
            if not draft:
                self._refuse_errors(state, source, file.name)
            if target == file.name:
                replace_file(self.path / target, data)
            elif draft:  # at no moment does the folder hold both, or broken text that is no draft
                move_file(self.path / file.name, self.path / target)
                replace_file(self.path / target, data)
            else:
                replace_file(self.path / file.name, data)
                move_file(self.path / file.name, self.path / target)
            return self._entry(target)

    def set_enabled(self, definition_id: str, enabled: bool, *, etag: str) -> DefinitionEntry:
        """Change the one key and leave the rest of the text as it is.

        Raises:
            NotFound, VersionConflict, Refused: as ``update``; BadData: the text can't be read as TOML.
        """
        with self._lock:
            file = self._to_change(self._look(), definition_id, etag)
            if file.fault:
                raise BadData(f"{file.name}: {file.fault}")
            changed = with_enabled(file.source, enabled)
            if changed != file.source:
                replace_file(self.path / file.name, (BOM if file.has_bom else b"") + changed.encode())
            return self._entry(file.name)

    def delete(self, definition_id: str, *, etag: str) -> None:
        """Remove the file. Runs keep the text they were started with.

        Raises:
            NotFound: there is none; VersionConflict: it is another than ``etag`` names; Refused: others name it.
        """
        with self._lock:
            state = self._look()
            file = self._to_change(state, definition_id, etag)
            if file.known and state.known.get(definition_id) is file.known and (users := state.users_of(definition_id)):
                others = ", ".join(users)
                raise Refused(f"definition {definition_id!r} is a pre or post job of {others}; change that first")
            remove_file(self.path / file.name)

    # the folder as it is

    def _look(self) -> FolderState:
        state = look_again(self.path, self._state)
        if state is not self._state:
            self._state = state
            self._loaded = {name: loaded for name, loaded in self._loaded.items() if name in state.files}
        return state

    def _keys(self) -> frozenset[str]:
        return frozenset(self._key_names())

    def _load(self, state: FolderState, file: StoredFile, keys: frozenset[str]) -> _Loaded:
        definition_id = state.ids[file.name]
        of = (definition_id, file.stamp, file.etag, keys, state.others_of(file))
        loaded = self._loaded.get(file.name)
        if loaded is None or loaded.of != of:
            if file.fault:
                fault = Finding(code="JD001", severity="error", message=file.fault, file=file.name)
                result = LoadResult(None, (fault,))
            else:
                result = self._load_text(state, file.source, file.name, keys)
            loaded = self._loaded[file.name] = _Loaded(of, result, entry_of(definition_id, file, result))
        return loaded

    def _load_text(
        self,
        state: FolderState,
        source: str,
        file: str,
        keys: frozenset[str],
        overrides: Mapping[str, str] | None = None,
    ) -> LoadResult:
        if len(source) > MAX_BYTES:
            message = f"larger than {MAX_BYTES:,} bytes"
            return LoadResult(None, (Finding(code="JD001", severity="error", message=message, file=file),))
        context = LoadContext(
            catalog=self._catalog,
            agent_types=self._agent_types,
            known={name: known for name, known in state.known.items() if known.file != file},
            has_key=keys.__contains__,
            environment=self._environment,
            timezone=self._timezone,
            overrides=overrides or {},
        )
        found = load_definition(source, file=file, context=context)
        if found.definition is None:
            return found
        base_dir = str((self.path / file).absolute().parent.resolve())
        return LoadResult(msgspec.structs.replace(found.definition, base_dir=base_dir), found.findings)

    def _library(self, state: FolderState, definition: JobDefinition, keys: frozenset[str]) -> Library:
        def find(name: str) -> tuple[JobDefinition, str]:
            if name not in state.known:
                raise NotFound(f"no definition {name!r}, which is a pre or post job")
            file = state.files[state.known[name].file]
            result = self._load(state, file, keys).result
            if result.definition is None:
                raise InvalidDefinition(result.findings)
            return result.definition, file.source

        return library_of(definition, find)

    def _runnable_or_none(self, state: FolderState, file: StoredFile, keys: frozenset[str]) -> Runnable | None:
        definition = self._load(state, file, keys).result.definition
        if definition is None:
            return None
        try:
            return Runnable(definition, file.source, self._library(state, definition, keys))
        except (InvalidDefinition, NotFound):
            return None

    def _open(self, state: FolderState, file: StoredFile) -> OpenDefinition:
        loaded = self._load(state, file, self._keys())
        return OpenDefinition(loaded.entry, file.source, loaded.result.definition)

    def _entry(self, name: str) -> DefinitionEntry:
        """Of a file that has just been written."""
        state = self._look()
        if name not in state.files:
            raise NotFound(f"{name} was removed as soon as it was written")
        return self._load(state, state.files[name], self._keys()).entry

    # what must not be

    def _to_change(self, state: FolderState, definition_id: str, etag: str) -> StoredFile:
        file = state.find(definition_id)
        if file.etag != etag:
            message = f"definition {definition_id!r} has been changed in the meantime; nothing was stored"
            raise VersionConflict(message, etag=file.etag, source=file.source)
        if (self.path / file.name).is_symlink():
            raise Refused(f"{file.name} is a link to another file; change it where it is")
        return file

    def _refuse_errors(self, state: FolderState, source: str, file: str) -> None:
        result = self._load_text(state, source, file, self._keys())
        if result.definition is None:
            raise InvalidDefinition(result.findings)

    def _refuse_other_id(self, state: FolderState, file: StoredFile, definition_id: str, new: str) -> None:
        """An entry keeps its id; one under a stand-in may get one that is free."""
        if file.written_id == definition_id:
            if new and new != definition_id:
                raise Refused(
                    f"the id stays as it is ({definition_id}, not {new}), for the definition's runs are found by it; "
                    "save the text as a new definition and delete this one"
                )
        elif new and (other := state.by_id.get(new)) and other is not file:
            raise Refused(f"id {new} is already taken by {other.name}; choose another id")


def _id_of(source: str) -> str:
    found = peek(source, file="")
    return found[0] if found else written_id(source)


def _as_bytes(source: str) -> bytes:
    try:
        data = source.encode()
    except UnicodeEncodeError as error:
        raise BadData(f"the text can't be stored as UTF-8: character {error.start}") from error
    if len(data) > MAX_BYTES:
        raise BadData(f"the text is larger than {MAX_BYTES:,} bytes")
    return data


def _named(finding: Finding, file: str) -> Finding:
    return msgspec.structs.replace(finding, file=file)

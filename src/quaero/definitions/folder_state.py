"""The files of the definitions folder at one moment, and which id leads to which."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from quaero.definitions.context import KnownDefinition, peek
from quaero.definitions.edit import written_id
from quaero.definitions.files import DRAFT_SUFFIX, SUFFIX, Stamp, is_draft, scan
from quaero.definitions.findings import did_you_mean
from quaero.definitions.header import is_id
from quaero.errors import NotFound, StoreUnavailable

MAX_BYTES = 1_048_576
"""Of a definition's file."""
BOM = b"\xef\xbb\xbf"
SETTLED_NS = 100_000_000
"""A file that changed so shortly before it was read may change again without another stamp."""


@dataclass(frozen=True)
class StoredFile:
    """A file as it was read last."""

    name: str
    stamp: Stamp
    is_settled: bool
    etag: str
    source: str
    has_bom: bool
    fault: str
    """Why it can't be read as text; else empty."""
    written_id: str
    known: KnownDefinition | None
    """Where it is TOML and has an id."""

    @property
    def is_draft(self) -> bool:
        return is_draft(self.name)

    @property
    def stem(self) -> str:
        """Its path without what says that it is a definition."""
        return self.name.removesuffix(DRAFT_SUFFIX).removesuffix(SUFFIX)


@dataclass(frozen=True)
class FolderState:
    """The folder at one moment."""

    files: Mapping[str, StoredFile] = field(default_factory=dict)
    by_id: Mapping[str, StoredFile] = field(default_factory=dict)
    known: Mapping[str, KnownDefinition] = field(default_factory=dict)
    """Those that a definition may name: no drafts."""

    @cached_property
    def ids(self) -> Mapping[str, str]:
        return {file.name: definition_id for definition_id, file in self.by_id.items()}

    def find(self, definition_id: str) -> StoredFile:
        """Raises NotFound."""
        if definition_id not in self.by_id:
            hint = did_you_mean(definition_id, self.by_id)
            raise NotFound(f"no definition {definition_id!r}" + (f"; {hint}" if hint else ""))
        return self.by_id[definition_id]

    def others_of(self, file: StoredFile) -> object:
        """What of the other files decides on the findings of this one."""
        if file.known is None:
            return None
        if file.known.pre_jobs or file.known.post_jobs:
            return self.known
        return self.known.get(file.written_id)

    def users_of(self, definition_id: str) -> list[str]:
        """The definitions that start this one."""
        return sorted(
            other
            for other, known in self.known.items()
            if definition_id in (*known.pre_jobs, *known.post_jobs) and other != definition_id
        )


def look_again(folder: Path, old: FolderState) -> FolderState:
    """The folder as it is now; what has not changed is not read again, and ``old`` is given back where nothing has.

    Raises:
        StoreUnavailable: the folder can't be read.
    """
    try:
        stamps = scan(folder)
    except OSError as error:
        raise StoreUnavailable(f"{folder}: can't be read ({error.strerror})") from error
    files: dict[str, StoredFile] = {}
    for name, stamp in stamps.items():
        known = old.files.get(name)
        is_same = known is not None and known.stamp == stamp and known.is_settled
        if file := known if is_same else _read(folder, name, stamp):
            files[name] = file
    if files == old.files:
        return old
    return FolderState(files, _by_id(files.values()), _known(files.values()))


def _read(folder: Path, name: str, stamp: Stamp) -> StoredFile | None:
    """None where it is gone meanwhile."""
    now = time.time_ns()
    data, source, fault = b"", "", ""
    try:
        if stamp.size <= MAX_BYTES:
            data = (folder / name).read_bytes()
            source = data.decode("utf-8-sig")
        else:
            fault = f"larger than {MAX_BYTES:,} bytes"
    except FileNotFoundError:
        return None
    except OSError as error:
        fault = f"can't be read ({error.strerror})"
    except UnicodeDecodeError as error:
        source = data.decode("utf-8-sig", errors="replace")
        fault = f"not UTF-8 at byte {error.start}; save it as UTF-8"
    found = None if fault else peek(source, file=name)
    return StoredFile(
        name=name,
        stamp=stamp,
        is_settled=now - max(stamp.modified_ns, stamp.changed_ns) > SETTLED_NS,
        etag=_etag(data or repr(stamp).encode()) if fault else _etag(data),
        source=source,
        has_bom=data.startswith(BOM),
        fault=fault,
        written_id=found[0] if found else written_id(source),
        known=found[1] if found else None,
    )


def _by_id(files: Collection[StoredFile]) -> dict[str, StoredFile]:
    """Each file under an id of its own: what is read as TOML goes before what only seems to say its id, then drafts."""
    found: dict[str, StoredFile] = {}
    nameless: list[StoredFile] = []
    for file in sorted(files, key=lambda file: (file.is_draft, file.known is None)):
        if is_id(file.written_id) and file.written_id not in found:
            found[file.written_id] = file
        else:
            nameless.append(file)
    for file in nameless:
        is_free = is_id(file.stem) and file.stem not in found and not is_id(file.written_id)
        found[file.stem if is_free else "~" + file.name.removesuffix(SUFFIX).replace("/", "~")] = file
    return found


def _known(files: Collection[StoredFile]) -> dict[str, KnownDefinition]:
    known: dict[str, KnownDefinition] = {}
    for file in files:
        if file.known and not file.is_draft:
            known.setdefault(file.written_id, file.known)
    return known


def _depends_on(state: FolderState, file: StoredFile) -> object:
    """What of the other files decides on the findings of this one."""
    if file.known is None:
        return None
    if file.known.pre_jobs or file.known.post_jobs:
        return state.known
    return state.known.get(file.written_id)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

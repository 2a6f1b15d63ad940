"""Local folder: one document for every text file below a folder.

``plan`` walks the folder and compares size and time of each file with what the store knows; ``execute`` takes a
batch of files and reads those that changed. Files that are no longer found make jobs of their own, which look once
more and mark their documents gone. Writes ``local_dir`` documents. The walk is in ``walk.py``; how bytes become
text, in ``quaero.calc.text_decoding``.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

from quaero.calc.headings import first_heading
from quaero.calc.languages import extension_of, language_of
from quaero.calc.text_decoding import DecodedText, detect_text
from quaero.errors import BadData, SourceUnavailable
from quaero.model.contracts import LocalDirMetadata
from quaero.model.document import DocumentDraft, draft
from quaero.model.outcome import JobOutcome
from quaero.ports.compute import Compute
from quaero.ports.services import Services
from quaero.ports.storage import DocumentStore
from quaero.queue.context import JobContext
from quaero.queue.step_manager import StepManager, Worker
from quaero.workers.files.reading import Content, Failed, Skipped, Unchanged, Wanted, is_file, read_files
from quaero.workers.files.walk import FoundFile, Walk

SOURCE_TYPE: Final = "local_dir"
VANISHED_BATCH: Final = 500
"""Documents whose files are gone, in one job."""


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]


class Config(BaseModel, extra="forbid", frozen=True, populate_by_name=True):
    """What a job definition may say about a ``local_dir`` step."""

    dir_path: str = Field(min_length=1, validation_alias=AliasChoices("dir_path", "path"))
    """The folder; a relative one starts at the definition's own folder, ``~`` is the home folder."""
    extensions: Names = ()
    """Only these, with or without their dot; ``Makefile`` names a whole file name. Empty: every text file."""
    exclude_paths: Names = ()
    """Rules as in ``.gitignore``, relative to the folder; ``!`` brings back what other rules leave out."""
    max_files: int = Field(default=10_000, ge=1)
    max_file_size: int = Field(default=1_048_576, ge=1)
    """Bytes; larger files are skipped."""
    tags: Names = ()
    batch_size: int = Field(default=50, ge=1, le=1_000)
    respect_gitignore: bool = True
    follow_links: bool = False
    """Also what symbolic links lead to, where that lies outside of the folder."""
    force_refresh: bool = False
    """Read every file, also those whose size and time are the same as before."""


class FileEntry(BaseModel, extra="forbid", frozen=True):
    """One file, as the walk saw it."""

    path: str
    size: int
    mtime_ns: int
    document_id: str | None = None
    """Of its document, where the store has one."""
    is_synced: bool = False
    """The document was made from just this size and time."""


class VanishedFile(BaseModel, extra="forbid", frozen=True):
    """A document below the folder that the walk found no file for: it may be gone, or merely left out now."""

    source_id: str
    document_id: str


class Payload(BaseModel, extra="forbid", frozen=True):
    """One batch: files to look at, or documents whose files were not found."""

    key: str
    base: str
    files: tuple[FileEntry, ...] = ()
    vanished: tuple[VanishedFile, ...] = ()
    max_file_size: int = 1_048_576
    follow_links: bool = False
    tags: tuple[str, ...] = ()


async def plan(config: Config, *, job: JobContext, documents: DocumentStore) -> AsyncIterator[Payload]:
    """Split the folder into batches of files, in the order of their names.

    A batch's key depends on the paths in it only, so that files changing meanwhile don't make it another one.

    Raises:
        BadData: the folder is not there, or can't be read.
    """
    base = await asyncio.to_thread(_existing_folder, config.dir_path, job.step.base_dir)
    known = await documents.known(SOURCE_TYPE, _prefix(base))
    walk = Walk(
        base,
        exclude=config.exclude_paths,
        respect_gitignore=config.respect_gitignore,
        follow_links=config.follow_links,
        wanted=partial(_has_extension, extensions=_normalised(config.extensions)),
        is_cancelled=lambda: job.is_cancelled,
    )
    left, count = iter(walk), 0
    while found := await _take(left, min(config.batch_size, config.max_files - count)):
        count += len(found)
        yield _files_payload(config, base, [_entry(file, base, config, known) for file in found])
    if job.is_cancelled:
        raise asyncio.CancelledError  # a walk that stopped half-way is not the plan
    if count == config.max_files and await _take(left, 1):
        job.log.warning("folder.truncated", path=str(base), max_files=config.max_files)
    for trouble in walk.troubles:
        job.log.warning("folder.not_readable", path=trouble.path, reason=trouble.reason)
    for payload in _vanished_payloads(base, known):
        yield payload
    job.log.info("folder.listed", path=str(base), files=count, ignored=walk.ignored, not_found=len(known))


async def execute(job: JobContext, payload: Payload, *, compute: Compute) -> JobOutcome:
    """Read the changed files of one batch, or find out which of the missing ones are really gone.

    Raises:
        BadData: not one file of the batch can be read, and that will stay so.
        SourceUnavailable: not one can be read now; the job may be retried.
    """
    outcome = JobOutcome()
    if payload.vanished:
        await _mark_gone(job, payload, outcome)
    if payload.files:
        await _read_batch(job, payload, outcome, compute)
    return outcome


def register(steps: StepManager, services: Services) -> None:
    """Add the worker to the registry."""
    steps.add(
        Worker(
            "local_dir",
            Config,
            Payload,
            partial(plan, documents=services.documents),
            partial(execute, compute=services.compute),
            job_type="local_dir_batch",
            description="Index the text files of a local folder; only what changed is read again.",
            documents=(SOURCE_TYPE,),
            example=EXAMPLE,
        )
    )


EXAMPLE: Final = """\
[step.index]
type = "local_dir"
description = "Notes and code of this folder"
dir_path = "."
extensions = [".md", ".py", ".toml"]
exclude_paths = ["drafts/", "*.min.js"]
max_files = 2000
"""


def _existing_folder(dir_path: str, base_dir: str) -> Path:
    """The folder to walk, absolute; links on the way to it stay as they are, so that its name stays the same."""
    folder = Path(os.path.abspath(Path(base_dir, Path(dir_path).expanduser())))  # noqa: PTH100 - resolve() follows links
    where = f"dir_path {dir_path!r} ({folder})"
    try:
        mode = folder.stat().st_mode
        if not stat.S_ISDIR(mode):
            raise BadData(f"{where} is a file: name the folder it lies in, and pick the file with extensions")
        next(folder.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        raise BadData(
            f"{where} does not exist: correct dir_path, or create the folder; "
            "a relative path starts at the folder of the job definition"
        ) from None
    except PermissionError as error:
        raise BadData(f"{where} can't be read: give the user that runs Quaero access to it") from error
    return folder


def _prefix(base: Path) -> str:
    return f"{base.as_posix().rstrip('/')}/"


def _normalised(extensions: Sequence[str]) -> frozenset[str]:
    return frozenset(e.strip().lstrip("*").removeprefix(".").lower() for e in extensions) - {""}


def _has_extension(name: str, extensions: frozenset[str]) -> bool:
    if not extensions:
        return True
    parts = name.lower().split(".")
    return any(".".join(parts[i:]) in extensions for i in range(len(parts)))


async def _take(files: Iterator[FoundFile], count: int) -> list[FoundFile]:
    """The next files of a walk, which reads the disk: in a thread."""
    return await asyncio.to_thread(lambda: list(islice(files, count)))


def _entry(file: FoundFile, base: Path, config: Config, known: dict[str, tuple[str, dict[str, Any]]]) -> FileEntry:
    """The file with what the store knows of it, which leaves ``known``: what stays there was not found."""
    document_id, metadata = known.pop(_prefix(base) + file.path, (None, {}))
    is_synced = (
        not config.force_refresh
        and document_id is not None
        and metadata.get("file_size") == file.size
        and metadata.get("file_mtime_ns") == file.mtime_ns
        and set(metadata.get("step_tags") or ()) == set(config.tags)
    )
    return FileEntry(
        path=file.path, size=file.size, mtime_ns=file.mtime_ns, document_id=document_id, is_synced=is_synced
    )


def _files_payload(config: Config, base: Path, files: Sequence[FileEntry]) -> Payload:
    return Payload(
        key=_key("files", [file.path for file in files]),
        base=base.as_posix(),
        files=tuple(files),
        max_file_size=config.max_file_size,
        follow_links=config.follow_links,
        tags=config.tags,
    )


def _vanished_payloads(base: Path, known: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[Payload]:
    names = sorted(known)
    for start in range(0, len(names), VANISHED_BATCH):
        batch = names[start : start + VANISHED_BATCH]
        yield Payload(
            key=_key("vanished", batch),
            base=base.as_posix(),
            vanished=tuple(VanishedFile(source_id=name, document_id=known[name][0]) for name in batch),
        )


def _key(kind: str, paths: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(paths).encode()).hexdigest()[:20]
    return f"{kind}:{digest}"


async def _mark_gone(job: JobContext, payload: Payload, outcome: JobOutcome) -> None:
    """Mark the documents whose files are not on disk; those that this step merely leaves out stay as they are."""
    there = await asyncio.to_thread(lambda: [is_file(file.source_id) for file in payload.vanished])
    for file, found in zip(payload.vanished, there, strict=True):
        if found is None:
            outcome.warnings.append(f"{file.source_id}: can't be seen, so its document is kept")
        elif not found:
            outcome.gone.append(file.document_id)
    job.log.info("files.vanished", checked=len(there), gone=len(outcome.gone), kept=len(there) - len(outcome.gone))


async def _read_batch(job: JobContext, payload: Payload, outcome: JobOutcome, compute: Compute) -> None:
    wanted = [Wanted(f.path, f.size, f.mtime_ns, f.is_synced and f.document_id is not None) for f in payload.files]
    readings = await asyncio.to_thread(
        read_files,
        payload.base,
        wanted,
        max_file_size=payload.max_file_size,
        follow_links=payload.follow_links,
        is_cancelled=lambda: job.is_cancelled,
    )
    failures: list[Failed] = []
    if len(readings) < len(wanted):
        raise asyncio.CancelledError
    for file, reading in zip(payload.files, readings, strict=True):
        if isinstance(reading, Failed) and not (reading.is_vanished and file.document_id):
            failures.append(reading)
        result = await _document(payload, file, reading, compute) if isinstance(reading, Content) else reading
        _record(job, file, result, outcome)
    _log_batch(job, outcome, len(failures))
    if failures and len(failures) == len(payload.files):
        message = f"no file of {len(failures)} below {payload.base} could be read; {payload.files[0].path}: "
        error = BadData if all(failure.is_lasting for failure in failures) else SourceUnavailable
        raise error(message + failures[0].reason)


async def _document(payload: Payload, file: FileEntry, content: Content, compute: Compute) -> DocumentDraft | Skipped:
    """The draft of a file's document; finding out a rare encoding is arithmetic enough to be done elsewhere."""
    decoded = content.text or await compute.run(detect_text, content.data)
    return _draft(payload, file, content, decoded) if decoded else Skipped("binary")


def _record(
    job: JobContext, file: FileEntry, result: DocumentDraft | Unchanged | Skipped | Failed, outcome: JobOutcome
) -> None:
    """Put what became of one file where it belongs in the outcome."""
    match result:
        case DocumentDraft():
            outcome.documents.append(result)
        case Unchanged() if file.document_id:
            outcome.unchanged.append(file.document_id)
        case Skipped(reason):
            outcome.by_identifier[file.path] = {"status": "skipped", "reason": reason}
            job.log.info("file.skipped", path=file.path, reason=reason)
        case Failed(is_vanished=True) if file.document_id:
            outcome.gone.append(file.document_id)
            job.log.info("file.vanished", path=file.path, document=file.document_id)
        case Failed(reason):
            outcome.by_identifier[file.path] = {"status": "failed", "reason": reason}
            outcome.warnings.append(f"{file.path}: {reason}")
            job.log.warning("file.not_read", path=file.path, reason=reason)


def _log_batch(job: JobContext, outcome: JobOutcome, failed: int) -> None:
    job.log.info(
        "files.read",
        read=len(outcome.documents),
        unchanged=len(outcome.unchanged),
        skipped=len(outcome.by_identifier) - failed,
        failed=failed,
        gone=len(outcome.gone),
    )


def _draft(payload: Payload, file: FileEntry, content: Content, decoded: DecodedText) -> DocumentDraft:
    path = PurePosixPath(payload.base, file.path)
    text = decoded.text
    language = language_of(path.name, text[:200].partition("\n")[0])
    folder = PurePosixPath(file.path).parent.as_posix()
    metadata = LocalDirMetadata(
        base_path=payload.base,
        file_path=file.path,
        absolute_path=path.as_posix(),
        folder="" if folder == "." else folder,
        extension=extension_of(path.name),
        file_size=content.size,
        file_mtime_ns=content.mtime_ns,
        file_type=language,
        encoding=decoded.encoding,
        line_count=text.count("\n") + (not text.endswith("\n") and text != ""),
        step_tags=payload.tags,
    )
    return draft(
        SOURCE_TYPE,
        path.as_posix(),
        title=(first_heading(text) if language == "Markdown" else "") or path.name,
        content=text,
        url=path.as_uri(),
        tags=(SOURCE_TYPE, *payload.tags),
        metadata=metadata,
    )

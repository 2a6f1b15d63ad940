"""From a job's outcome to rows: checked, cleaned, hashed and encoded in the job's own frame.

What comes out of here can't break the writer's transaction, which holds the outcomes of many jobs: every text is
valid UTF-8 without NUL, every number fits, every value is JSON.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from quaero.errors import BadData
from quaero.model.document import DocumentDraft, Enrichment
from quaero.model.outcome import JobOutcome
from quaero.ports.storage import JobFacts

MAX_CONTENT_CHARS = 50_000_000
MAX_KEY_BYTES = 2500
"""Of a tag, and of source type and id together: what an entry of PostgreSQL's indexes can hold."""
MAX_DEPTH = 100
"""Of nested metadata; the database's JSON ends at 1000."""
_MAX_INT = 2**63 - 1
_MIN_INT = -(2**63)

Mask = Callable[[str], str]
_encode = msgspec.json.Encoder(order="deterministic").encode
_EMPTY = msgspec.Raw(b"{}")


class ContractRegistry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about source types and enrichments; one without a model takes any metadata."""

    documents: Mapping[str, type[BaseModel]] = {}
    enrichments: Mapping[str, type[BaseModel]] = {}
    canonical: Callable[[str], str] = str
    """Alias of a source type -> its canonical name; a name it doesn't know comes back as it is."""


class PreparedDraft(msgspec.Struct, frozen=True, gc=False):
    """One document, encoded. ``tags`` are normal, sorted and without the date."""

    source_type: str
    source_id: str
    content_hash: str
    title: msgspec.Raw
    url: str
    tags: tuple[str, ...]
    metadata: msgspec.Raw
    content: msgspec.Raw
    derived_from: tuple[str, ...]


class PreparedEnrichment(msgspec.Struct, frozen=True, gc=False):
    document_id: str
    name: str
    value: msgspec.Raw
    tags: tuple[str, ...]


class PreparedDocuments(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything one attempt did to documents."""

    manager_id: int
    step_id: int
    step_name: str
    job_id: int
    attempt: int
    origin: msgspec.Raw
    drafts: list[PreparedDraft] = []
    enrichments: list[PreparedEnrichment] = []
    unchanged: list[str] = []
    gone: list[str] = []

    @property
    def size_bytes(self) -> int:
        """About what the writer has to move."""
        return sum(len(memoryview(d.content)) + len(memoryview(d.metadata)) for d in self.drafts)


class DocumentPreparer:
    """Prepares outcomes by one set of contracts. Touches no database."""

    def __init__(self, contracts: ContractRegistry | None = None) -> None:
        self._contracts = contracts or ContractRegistry()
        self._volatile = {
            name: frozenset(getattr(model, "VOLATILE", ())) for name, model in self._contracts.documents.items()
        }

    def prepare(
        self, outcome: JobOutcome, job: JobFacts, *, tags: Sequence[str] = (), mask: Mask | None = None
    ) -> PreparedDocuments | None:
        """The rows that ``outcome`` asks for, or None where it has no documents; ``tags`` go to every document.

        Raises:
            BadData: a value breaks its contract or can't be stored; names the document and the field.
        """
        if not (outcome.documents or outcome.enrichments or outcome.unchanged or outcome.gone):
            return None
        step_tags = tuple(tags)
        manager_id = job.manager_id
        step_name = job.step_name
        origin = (manager_id, step_name, job.worker_type, job.job_id, job.attempt)
        return PreparedDocuments(
            manager_id=manager_id,
            step_id=job.step_id,
            step_name=step_name,
            job_id=job.job_id,
            attempt=job.attempt,
            origin=msgspec.Raw(_encode(origin)),
            drafts=[self._draft(draft, step_tags, mask) for draft in outcome.documents],
            enrichments=[self._enrichment(item, mask) for item in outcome.enrichments] if outcome.enrichments else [],
            unchanged=[_id(value, "unchanged") for value in outcome.unchanged] if outcome.unchanged else [],
            gone=[_id(value, "gone") for value in outcome.gone] if outcome.gone else [],
        )

    def _draft(self, draft: DocumentDraft, step_tags: tuple[str, ...], mask: Mask | None) -> PreparedDraft:
        source_type = self._contracts.canonical(draft.source_type)
        where = f"{source_type}/{draft.source_id}"
        if not source_type or not draft.source_id:
            raise BadData(f"document {where}: source_type and source_id must not be empty")
        source_id = clean(draft.source_id, mask, where, "source_id")
        if len(source_type.encode()) + len(source_id.encode()) > MAX_KEY_BYTES:
            raise BadData(f"document {where:.200}...: its source_id is longer than {MAX_KEY_BYTES} bytes")
        title = clean(draft.title, mask, where, "title")
        content = clean(draft.content, mask, where, "content")
        if len(content) > MAX_CONTENT_CHARS:
            raise BadData(f"document {where}: {len(content)} characters; at most {MAX_CONTENT_CHARS} can be stored")
        metadata, lasting = self._metadata(source_type, draft.metadata, where, mask)
        hashed = b"\0".join((title.encode(), content.encode(), lasting))
        own_tags = tuple(draft.tags)
        if mask is not None:
            own_tags = tuple([clean(tag, mask, where, "tags") for tag in own_tags])
        return PreparedDraft(
            source_type,
            source_id,
            blake2b(hashed, digest_size=16).hexdigest(),
            msgspec.Raw(_encode(title)),
            clean(draft.url, mask, where, "url") if draft.url else "",
            normal_tags(own_tags, step_tags, source_type, where),
            metadata,
            msgspec.Raw(_encode(content)),
            tuple(dict.fromkeys(_id(value, where) for value in draft.derived_from)) if draft.derived_from else (),
        )

    def _metadata(
        self, source_type: str, metadata: dict[str, Any], where: str, mask: Mask | None
    ) -> tuple[msgspec.Raw, bytes]:
        """The metadata to store, and the part of it that makes a revision."""
        contract = self._contracts.documents.get(source_type)
        if contract is not None:
            metadata = {**metadata, **validated(contract, metadata, f"document {where}: metadata")}
        elif not metadata:
            return _EMPTY, b"{}"
        metadata = plain(metadata, mask, where, "metadata")
        encoded = _encode(metadata)
        volatile = self._volatile.get(source_type)
        if not volatile:
            return msgspec.Raw(encoded), encoded
        lasting = {name: value for name, value in metadata.items() if name not in volatile}
        return msgspec.Raw(encoded), _encode(lasting)

    def _enrichment(self, item: Enrichment, mask: Mask | None) -> PreparedEnrichment:
        where = f"{item.document_id}, enrichment {item.name!r}"
        if not item.name:
            raise BadData(f"document {item.document_id}: an enrichment needs a name")
        value = item.value
        contract = self._contracts.enrichments.get(item.name)
        if contract is not None:
            value = {**value, **validated(contract, value, f"document {where}")}
        value = plain(value, mask, where, item.name)
        tags = tuple(clean(tag, mask, where, "tags") for tag in item.tags)
        return PreparedEnrichment(
            _id(item.document_id, "enrichment"),
            clean(item.name, None, where, "name"),
            msgspec.Raw(_encode({**value, "content_hash": clean(item.content_hash, None, where, "content_hash")})),
            normal_tags(tags, (), "", where),
        )


def validated(contract: type[BaseModel], value: dict[str, Any], where: str) -> dict[str, Any]:
    """``value`` as its contract writes it, with defaults filled in. Raises BadData naming the first wrong field."""
    try:
        return contract.model_validate(value).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "(whole)"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise BadData(f"{where}: {field}: {first['msg']}{more}") from error


def clean(text: str, mask: Mask | None, where: str, field: str) -> str:
    """``text`` masked, without NUL and lone surrogates (U+FFFD takes their place)."""
    try:
        return _clean(text, mask)
    except _Unfit as error:
        raise error.bad_data(where, field) from None


def plain(value: dict[str, Any], mask: Mask | None, where: str, field: str) -> dict[str, Any]:
    """``value`` as plain JSON values; texts cleaned. Raises BadData naming the field that JSON can't hold."""
    try:
        return _plain_object(value, mask, 0)
    except _Unfit as error:
        raise error.bad_data(where, field) from None


class _Unfit(Exception):
    """A value that can't be stored. Gathers its path on the way up, so that good values pay nothing for it."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.path: list[str] = []
        super().__init__(message)

    def bad_data(self, where: str, field: str) -> BadData:
        place = ".".join((field, *reversed(self.path)))
        return BadData(f"document {where}: {place:.200}: {self.message}")


def _clean(text: str, mask: Mask | None) -> str:
    if not isinstance(text, str):
        raise _Unfit(f"must be a text, not {type(text).__name__}")
    if mask is not None:
        text = mask(text)
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _plain_object(value: dict[str, Any], mask: Mask | None, depth: int) -> dict[str, Any]:
    result = {}
    for name, item in value.items():
        try:
            result[_clean(name, mask)] = _plain(item, mask, depth)
        except _Unfit as error:
            error.path.append(str(name))
            raise
    return result


def _plain(value: Any, mask: Mask | None, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return _clean(value, mask)
    if kind is int:
        if not _MIN_INT <= value <= _MAX_INT:
            raise _Unfit("does not fit into 64 bits; store it as a text")
        return value
    if value is None or kind is bool:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise _Unfit(f"{value} is not a number; leave the field out or use null")
        return value
    if depth > MAX_DEPTH:
        raise _Unfit(f"nested deeper than {MAX_DEPTH} levels")
    if kind is dict:
        return _plain_object(value, mask, depth + 1)
    if kind is list or kind is tuple:
        return [_plain(item, mask, depth + 1) for item in value]
    return _plain(_builtin(value), mask, depth + 1)


def _builtin(value: Any) -> Any:
    """One step from a richer type (model, enumeration, date, subclass of a plain type) towards plain JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    for builtin in (str, int, float):
        if isinstance(value, builtin):
            return builtin(value)
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError, OverflowError):
        raise _Unfit(f"{type(value).__name__} can't be stored as JSON") from None


def normal_tags(tags: tuple[str, ...], step_tags: tuple[str, ...], source_type: str, where: str) -> tuple[str, ...]:
    """All tags of a document: lower-case, one space between words, sorted, each once."""
    try:
        found = _normal_tags(tags, step_tags, source_type)
        if any(len(tag.encode()) > MAX_KEY_BYTES for tag in found):
            raise BadData(f"document {where}: a tag is longer than {MAX_KEY_BYTES} bytes")
        return found  # noqa: TRY300 - the two belong together
    except (_Unfit, TypeError):  # TypeError: what can't be hashed is no text either
        raise BadData(f"document {where}: tags must be texts, not {(*tags, *step_tags)!r:.200}") from None


@lru_cache(maxsize=4096)
def _normal_tags(tags: tuple[str, ...], step_tags: tuple[str, ...], source_type: str) -> tuple[str, ...]:
    merged = {normal_tag(_clean(tag, None)) for tag in (*tags, *step_tags)}
    if source_type:
        merged.add(normal_tag(f"source_type:{source_type}"))
    merged.discard("")
    return tuple(sorted(merged))


def normal_tag(tag: str) -> str:
    return " ".join(tag.lower().split())


def _id(value: str, where: str) -> str:
    return clean(value, None, where, "document id")

"""Agents: read documents and add to each, under the agent's name, what was found out about it.

``plan`` picks the documents that the step reads (its ``inputs``, tags and filters) and leaves out those whose
enrichment was made from the content they still have. The agent types here need neither account nor key:
``keyword_extractor`` and ``rule_classifier``. Writes no documents of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field

from quaero.errors import BadData, NotFound, PermanentError
from quaero.model.contracts import KeywordExtraction, RuleClassification
from quaero.model.document import Document, DocumentRef, Enrichment
from quaero.model.outcome import JobOutcome
from quaero.ports.compute import Compute
from quaero.ports.services import Services
from quaero.ports.storage import DocumentStore
from quaero.queue.context import JobContext
from quaero.queue.step_manager import StepManager, Worker
from quaero.workers.agents.keyword_extractor import NAME as KEYWORD_EXTRACTOR
from quaero.workers.agents.keyword_extractor import keywords_of
from quaero.workers.agents.rule_classifier import NAME as RULE_CLASSIFIER
from quaero.workers.agents.rule_classifier import classification_of

AVAILABLE_AGENT_TYPES: Final = (KEYWORD_EXTRACTOR, RULE_CLASSIFIER)
"""The agent types that run here."""
PLANNED_AGENT_TYPES: Final = ("category_classifier", "entity_recognizer", "metadata_enricher")
"""Agent types that Quaero knows of but can't run yet."""
UNCHANGED_BATCH: Final = 500
"""Documents with nothing to do, in one job."""


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]


class Config(BaseModel, extra="forbid", frozen=True):
    """What a job definition may say about an ``agent`` step. The engine itself applies the ``filter_*`` keys."""

    agent_type: str = Field(min_length=1)
    operation_type: Literal["scan", "enrich", "generate"] | None = None
    """A label; what an agent does follows from its type."""
    batch_mode: bool = False
    """All documents in one job."""
    batch_size: int = Field(default=25, ge=1, le=1_000)
    """Documents in one job, without ``batch_mode``; 1 lets each fail alone."""
    max_keywords: int = Field(default=10, ge=1, le=200)
    force_refresh: bool = False
    """Also documents whose enrichment is up to date, say after a change of ``max_keywords``."""
    model: str | None = None
    api_key: str | None = None
    rate_limit: str | float | None = None
    model_selection: Literal["auto", "default", "explicit"] | None = None
    validation: bool = False
    validation_iteration_count: int | None = None
    filter_tags: Names = ()
    filter_source_type: str | None = None
    filter_category: Names = ()
    filter_created_after: Any = None
    filter_updated_after: Any = None
    filter_limit: int | None = None


class Payload(BaseModel, extra="forbid", frozen=True):
    """One batch: documents to work on, or documents found to be up to date."""

    key: str
    agent_type: str
    documents: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    max_keywords: int = 10


async def plan(config: Config, *, job: JobContext, documents: DocumentStore) -> AsyncIterator[Payload]:
    """Split what the step reads into batches; documents that are up to date only join the run.

    Raises:
        PermanentError: this agent type, or the model it is to use, is not available here.
    """
    _require_available(config)
    refs = await documents.select(job.step.inputs)
    todo: list[str] = []
    unchanged: list[str] = []
    for ref in refs:
        (unchanged if _is_up_to_date(ref, config) else todo).append(ref.id)
    job.log.info("documents.selected", agent=config.agent_type, to_do=len(todo), unchanged=len(unchanged))
    for batch in _batches(todo, max(1, len(todo)) if config.batch_mode else config.batch_size):
        key = _key("work", batch)
        yield Payload(key=key, agent_type=config.agent_type, documents=batch, max_keywords=config.max_keywords)
    for batch in _batches(unchanged, UNCHANGED_BATCH):
        yield Payload(key=_key("unchanged", batch), agent_type=config.agent_type, unchanged=batch)


async def execute(job: JobContext, payload: Payload, *, documents: DocumentStore, compute: Compute) -> JobOutcome:
    """Enrich the documents of one batch.

    Raises:
        BadData: not one document of the batch is stored any more.
    """
    outcome = JobOutcome(unchanged=list(payload.unchanged))
    for document_id in payload.documents:
        try:
            document = await documents.get(document_id)
        except NotFound:
            outcome.by_identifier[document_id] = {"status": "failed", "reason": "not stored any more"}
            outcome.warnings.append(f"{document_id}: not stored any more")
            job.log.warning("document.missing", document=document_id)
            continue
        outcome.enrichments.append(await _enrich(document, payload, compute))
    if payload.documents and not outcome.enrichments:
        raise BadData(f"none of the {len(payload.documents)} documents of this job is stored any more")
    job.log.info(
        "documents.enriched",
        agent=payload.agent_type,
        enriched=len(outcome.enrichments),
        unchanged=len(outcome.unchanged),
        missing=len(outcome.warnings),
    )
    return outcome


def register(steps: StepManager, services: Services) -> None:
    """Add the worker to the registry."""
    steps.add(
        Worker(
            "agent",
            Config,
            Payload,
            partial(plan, documents=services.documents),
            partial(execute, documents=services.documents, compute=services.compute),
            description="Enrich documents: " + ", ".join(AVAILABLE_AGENT_TYPES) + ".",
            example=EXAMPLE,
        )
    )


EXAMPLE: Final = """\
[step.sort_files]
type = "agent"
description = "What kind of file each one is"
depends = ["index"]
inputs = ["index"]
agent_type = "rule_classifier"

[step.find_keywords]
type = "agent"
depends = ["sort_files"]
inputs = ["index"]
filter_category = ["docs"]
agent_type = "keyword_extractor"
max_keywords = 8
"""


def _require_available(config: Config) -> None:
    if config.agent_type not in AVAILABLE_AGENT_TYPES:
        raise PermanentError(
            f"agent_type {config.agent_type!r} is not available here; available: {', '.join(AVAILABLE_AGENT_TYPES)}"
        )
    if config.agent_type == KEYWORD_EXTRACTOR and (config.model or config.api_key):
        raise PermanentError(
            "keyword_extractor with model or api_key needs the LLM part, which is not available here; "
            "without both it extracts keywords by statistics, with no account"
        )


def _is_up_to_date(ref: DocumentRef, config: Config) -> bool:
    return not config.force_refresh and ref.enrichments.get(config.agent_type) == ref.content_hash


def _batches(ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), size):
        yield tuple(ids[start : start + size])


def _key(kind: str, ids: Sequence[str]) -> str:
    return f"{kind}:{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:20]}"


async def _enrich(document: Document, payload: Payload, compute: Compute) -> Enrichment:
    value: KeywordExtraction | RuleClassification
    tags: tuple[str, ...] = ()
    if payload.agent_type == RULE_CLASSIFIER:
        value = classification_of(document)
        tags = (f"category:{value.category}",)
    else:
        value = await keywords_of(document, max_keywords=payload.max_keywords, compute=compute)
    return Enrichment(
        document_id=document.id,
        name=payload.agent_type,
        value=value.model_dump(mode="json"),
        content_hash=document.content_hash,
        tags=tags,
    )

"""Quaero: self-hosted research automation. These names are what a worker of your own needs."""

from quaero.errors import BadData, Cancel, PermanentError, RetryAfter, Snooze, TransientError
from quaero.model.document import Document, DocumentQuery, Enrichment, draft
from quaero.model.outcome import JobOutcome
from quaero.ports.services import Services
from quaero.queue.context import JobContext, current_job
from quaero.queue.step_manager import StepManager, Worker

__version__ = "0.1.0"

__all__ = [
    "BadData",
    "Cancel",
    "Document",
    "DocumentQuery",
    "Enrichment",
    "JobContext",
    "JobOutcome",
    "PermanentError",
    "RetryAfter",
    "Services",
    "Snooze",
    "StepManager",
    "TransientError",
    "Worker",
    "current_job",
    "draft",
]

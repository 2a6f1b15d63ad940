"""Services: what a worker's ``register`` may hand to its functions."""

from __future__ import annotations

from dataclasses import dataclass

from quaero.ports.clock import Clock
from quaero.ports.compute import Compute
from quaero.ports.storage import DocumentStore


@dataclass(frozen=True, slots=True)
class Services:
    """The ports that workers may ask for."""

    documents: DocumentStore
    compute: Compute
    clock: Clock

"""Children: payloads become the rows of worker jobs, with their keys. Shared by plans and by jobs that spawn."""

from __future__ import annotations

from binascii import b2a_base64
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import BaseModel

from quaero.definitions.placeholders import resolve_payload
from quaero.errors import BadData
from quaero.ports.jobs import Child, ChildBatch
from quaero.queue.step_info import StepInfo

KEY_BYTES = 9
LONGEST_KEY = 200


class Children:
    """Gathers the children of one step, in batches."""

    def __init__(self, info: StepInfo) -> None:
        worker = info.worker
        self._type = info.context.worker_type
        self._model = None if worker is None else worker.payload
        fields = frozenset(self._model.model_fields) if self._model else frozenset()
        self._encode = self._model.__pydantic_serializer__.to_json if self._model else None
        self._limit_key = info.step.limits.key
        self._priority = info.definition.priority if info.step.priority is None else info.step.priority
        self._is_plain = not (fields & {"key", "dedup_key", "priority", "needs"} or self._limit_key)
        self._batch = ChildBatch(self._priority)

    def __len__(self) -> int:
        return len(self._batch)

    def take(self) -> ChildBatch:
        """What was added since the last call."""
        batch, self._batch = self._batch, ChildBatch(self._priority)
        return batch

    def add(self, payload: BaseModel) -> str:
        """One more job of a plan; returns its key: the payload's own, else the payload's hash.

        Raises:
            BadData: the payload can't be stored, or is of another model than the worker's.
        """
        body = self._body(payload)
        batch = self._batch
        batch.payloads.append(body)
        if self._is_plain:
            key = b2a_base64(blake2b(body, digest_size=KEY_BYTES).digest(), newline=False).decode()
            batch.keys.append(key)
            return key
        child = self._child(body)
        batch.rows.append(child)
        return child.key

    def spawn(self, payload: BaseModel, *, depth: int, spawned_by: int) -> None:
        """One more job made by a job."""
        body = self._body(payload)
        child = Child(digest(body), self._priority) if self._is_plain else self._child(body)
        self._batch.rows.append(child._replace(depth=depth, spawned_by=spawned_by))
        self._batch.payloads.append(body)

    def _body(self, payload: BaseModel) -> bytes:
        if self._encode is None or payload.__class__ is not self._model:
            wanted = self._model.__name__ if self._model else "nothing here"
            raise BadData(f"{self._type} planned a {type(payload).__name__}, its jobs take {wanted}")
        try:
            return self._encode(payload)
        except ValueError as error:
            raise BadData(f"payload of {self._type} can't be stored: {error}") from error

    def _child(self, body: bytes) -> Child:
        fields: dict[str, Any] = msgspec.json.decode(body)
        key = str(fields.get("key") or "")
        priority = fields.get("priority")
        dedup = fields.get("dedup_key")
        return Child(
            key if 0 < len(key) <= LONGEST_KEY else digest(key.encode() if key else body),
            self._priority if priority is None else int(priority),
            resolve_payload(self._limit_key, fields) if self._limit_key else None,
            f"{self._type}:{dedup}" if dedup else None,
            needs=str(fields.get("needs") or ""),
        )


def digest(body: bytes) -> str:
    """A short text that is the same for the same bytes (72 bits)."""
    return b2a_base64(blake2b(body, digest_size=KEY_BYTES).digest(), newline=False).decode()

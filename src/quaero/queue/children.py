"""Children: payloads become the rows of worker jobs, with their keys. Shared by plans and by jobs that spawn."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import BaseModel

from quaero.definitions.placeholders import resolve_payload
from quaero.errors import BadData
from quaero.ports.jobs import Child
from quaero.queue.step_info import StepInfo

KEY_BYTES = 12
LONGEST_KEY = 200


class Children:
    """Makes the children of one step."""

    def __init__(self, info: StepInfo) -> None:
        worker = info.worker
        fields = frozenset() if worker is None else frozenset(worker.payload.model_fields)
        self._type = info.context.worker_type
        self._model = None if worker is None else worker.payload
        self._has_key = "key" in fields
        self._has_dedup = "dedup_key" in fields
        self._has_priority = "priority" in fields
        self._limit_key = info.step.limits.key
        self._priority = info.definition.priority if info.step.priority is None else info.step.priority
        self._is_plain = not (self._has_key or self._has_dedup or self._has_priority or self._limit_key)

    def of(self, payload: BaseModel, *, depth: int = 0, spawned_by: int | None = None) -> Child:
        """One child. Its key is the payload's own, else the payload's hash.

        Raises:
            BadData: the payload can't be stored (text that is no Unicode), or has a key that isn't text.
        """
        if self._model is not None and not isinstance(payload, self._model):
            raise BadData(f"{self._type} planned a {type(payload).__name__}, its jobs take {self._model.__name__}")
        try:
            body = payload.model_dump_json().encode()
        except ValueError as error:
            raise BadData(f"payload of {self._type} can't be stored: {error}") from error
        if self._is_plain and not depth:
            return Child(digest(body), body, self._priority)
        fields: dict[str, Any] = msgspec.json.decode(body)
        key = str(fields.get("key") or "") if self._has_key else ""
        dedup = fields.get("dedup_key") if self._has_dedup else None
        own = fields.get("priority") if self._has_priority else None
        limit = resolve_payload(self._limit_key, fields) if self._limit_key else None
        return Child(
            key if 0 < len(key) <= LONGEST_KEY else digest(key.encode() if key else body),
            body,
            self._priority if own is None else int(own),
            limit,
            f"{self._type}:{dedup}" if dedup else None,
            depth,
            spawned_by,
        )


def digest(body: bytes) -> str:
    """A short text that is the same for the same bytes (96 bits)."""
    return urlsafe_b64encode(blake2b(body, digest_size=KEY_BYTES).digest()).decode()

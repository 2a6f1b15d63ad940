"""Entries: the definitions of the folder as people are shown them, with what is wrong with each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from quaero.definitions.content import TomlError, read_toml
from quaero.definitions.context import LoadResult
from quaero.definitions.folder_state import StoredFile
from quaero.model.definition import Finding, JobDefinition

Status = Literal["ready", "disabled", "error"]

_SHOWN: Mapping[str, type] = {
    **dict.fromkeys(["name", "type", "description", "schedule", "timezone"], str),
    **dict.fromkeys(["enabled", "auto_start"], bool),
}


class DefinitionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One definition of the folder, right or wrong. Of a broken one the fields say what can be read."""

    id: str
    """Its own; of a file that has none, or one that another has already, a stand-in: the file's name, or ``~`` and
    its path."""
    name: str
    file: str
    """Below the folder, with slashes."""
    type: str
    description: str
    tags: tuple[str, ...]
    enabled: bool
    schedule: str
    timezone: str
    auto_start: bool
    status: Status
    """``ready``: a start would be taken."""
    reason: str
    """Why it is not ready; else empty."""
    is_draft: bool
    hash: str
    """Of its content, as runs pin it; empty where there are errors."""
    etag: str
    """Of the file's bytes: a change must name it."""
    modified_at: datetime
    findings: tuple[Finding, ...]


def entry_of(definition_id: str, file: StoredFile, result: LoadResult) -> DefinitionEntry:
    found = result.definition
    status, reason = _status(file, result)
    shown = found or _as_far_as_readable(file.source)
    return DefinitionEntry(
        id=definition_id,
        name=shown.name or definition_id,
        file=file.name,
        type=shown.type,
        description=shown.description,
        tags=shown.tags,
        enabled=shown.enabled,
        schedule=shown.schedule,
        timezone=shown.timezone,
        auto_start=shown.auto_start,
        status=status,
        reason=reason,
        is_draft=file.is_draft,
        hash=found.hash if found else "",
        etag=file.etag,
        modified_at=datetime.fromtimestamp(file.stamp.modified_ns / 1e9, UTC),
        findings=result.findings,
    )


def _as_far_as_readable(source: str) -> JobDefinition:
    """The header of a text with errors, whatever is of the right type."""
    try:
        content = read_toml(source)
    except TomlError:
        content = {}
    fields: dict[str, Any] = {}
    for key, kind in _SHOWN.items():
        if isinstance(value := content.get(key), kind):
            fields[key] = value
    tags = content.get("tags")
    fields["tags"] = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return JobDefinition(id="", hash="", **{"name": "", **fields})


def _status(file: StoredFile, result: LoadResult) -> tuple[Status, str]:
    if result.definition is None:
        first = result.errors[0]
        more = f" (and {len(result.errors) - 1} more)" if len(result.errors) > 1 else ""
        return "error", f"line {first.line}: {first.message}{more}"
    if file.is_draft:
        return "disabled", "a draft"
    if not result.definition.enabled:
        return "disabled", "enabled = false"
    for finding in result.findings:
        if finding.code == "JD051":
            return "disabled", finding.message
    return "ready", ""

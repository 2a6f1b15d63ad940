"""Nodes: the running programs that share one database."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One running program, as people see it."""

    id: int
    host: str
    pid: int
    version: str
    protocol: int
    slots: int
    """Jobs at once; 0: it executes nothing."""
    capabilities: list[str]
    key_version: str
    """The fingerprint of its encryption key; empty where it has none."""
    since: datetime
    seen: datetime
    """Its last sign of life."""
    age_s: float
    """How long ago that was. Seconds."""
    alive: bool
    """Its lease is not over."""
    draining: bool
    leader: bool

"""A tool on redis: the log lines are a list, the closed parent is a key."""

from __future__ import annotations

from functools import cached_property

from redis import Redis

from .tool import LINE, URL, Tool

LOG = "log_lines"
CLOSED = "parent_closed"


class RedisTool(Tool):
    @cached_property
    def client(self) -> Redis:
        return Redis.from_url(URL)

    def log_line(self) -> int:
        """Appends a line; returns how many there are."""
        return int(self.client.rpush(LOG, LINE))

    def log_lines(self) -> int:
        return int(self.client.llen(LOG))

    def close_parent(self) -> None:
        self.client.set(CLOSED, 1)

    def parent_closed(self) -> bool:
        return bool(self.client.exists(CLOSED))

"""A client of the live protocol, as strict as the page: it never guesses and forgives no gap."""

from __future__ import annotations

import json
from typing import Any


class TopicView:
    """What a client knows of one topic."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.seq: int = snapshot["seq"]
        self.rows = {row["id"]: row for row in snapshot["rows"]}
        self.nodes = snapshot.get("nodes")
        self.lines: list[int] = [line["seq"] for line in snapshot.get("lines", [])]
        self.last: int | None = snapshot.get("last")
        self.skipped: list[tuple[int, int]] = []
        if self.lines:
            assert self.lines == list(range(self.lines[0], self.lines[-1] + 1))
            assert self.last == self.lines[-1]

    def apply(self, delta: dict[str, Any]) -> None:
        if delta["seq"] <= self.seq:
            return
        assert delta["seq"] == self.seq + 1, f"gap: {self.seq} -> {delta['seq']}"
        self.seq = delta["seq"]
        for id_ in delta["gone"]:
            del self.rows[id_]
        self.rows |= {row["id"]: row for row in delta["rows"]}
        self.nodes = delta.get("nodes", self.nodes)
        seqs = [line["seq"] for line in delta.get("lines", [])]
        if seqs:
            assert self.last is not None
            first = self.last + 1
            if "skipped" in delta:
                assert delta["skipped"] == [first, seqs[0] - 1]
                self.skipped.append((first, seqs[0] - 1))
                first = seqs[0]
            assert seqs == list(range(first, first + len(seqs))), "lines have an unexplained gap"
            self.lines += seqs
            self.last = seqs[-1]
        else:
            assert "skipped" not in delta


class LiveClient:
    """Fed with frames; ``kinds`` counts them."""

    def __init__(self) -> None:
        self.hello: dict[str, Any] = {}
        self.topics: dict[str, TopicView] = {}
        self.watched: dict[int, dict[str, Any]] = {}
        self.refused: dict[str, str] = {}
        self.kinds: dict[str, int] = {}
        self.trouble: str | None = None

    def hear(self, text: str) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(text)
        kind = frame["t"]
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        match kind:
            case "hello":
                self.hello = frame
            case "snap":
                self.topics[frame["topic"]] = TopicView(frame)
            case "d":
                self.topics[frame["topic"]].apply(frame)
            case "w":
                self.watched |= {row["id"]: row for row in frame["rows"]}
            case "no":
                self.refused[frame["topic"]] = frame["reason"]
                self.topics.pop(frame["topic"], None)
            case "beat":
                self.trouble = frame.get("trouble")
            case _:
                raise AssertionError(f"no such frame: {text}")
        return frame

    @property
    def resume(self) -> str:
        """The topics it knows, as it asks for what follows."""
        return ",".join(f"{name}:{view.seq}" for name, view in self.topics.items())

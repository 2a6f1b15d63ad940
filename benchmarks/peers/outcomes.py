"""What came of a run, and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

Run = Mapping[str, float]
"""The figures of one run: ``per_s``, ``enqueue_per_s``, or ``p50_ms`` and ``p99_ms``."""

NONE = "–"
HEADINGS = ("peer", "work", "N", "enqueued/s", "done/s or p50/p99", "min – max", "what it keeps")


class Skipped(Exception):
    """Nothing to measure here; the message says why, in one line."""


class RunFailed(Exception):
    """A run gave no figures; the message says why, in one line."""


@dataclass
class Outcome:
    """One peer at one work: the figures of its runs, or why there are none."""

    peer: str
    work: str
    size: int
    note: str
    runs: list[Run] = field(default_factory=list)
    reason: str = ""

    def cells(self) -> tuple[str, ...]:
        size = f"{self.size:,}" if self.size else NONE
        return (
            self.peer,
            self.work,
            size,
            rate(self._values("enqueue_per_s")),
            self._main(),
            self._range(),
            self.reason or self.note,
        )

    def as_json(self) -> dict[str, object]:
        medians = {name: median(self._values(name)) for name in (self.runs[0] if self.runs else ())}
        about = {"peer": self.peer, "work": self.work, "n": self.size, "keeps": self.note, "reason": self.reason}
        return {**about, **medians, "runs": self.runs}

    def _main(self) -> str:
        if p50 := self._values("p50_ms"):
            return f"{median(p50):.1f} / {median(self._values('p99_ms')):.1f} ms"
        return rate(self._values("per_s"))

    def _range(self) -> str:
        if p50 := self._values("p50_ms"):
            return f"{min(p50):.1f} – {max(p50):.1f} ms"
        values = self._values("per_s")
        return f"{number(min(values))} – {number(max(values))}" if values else NONE

    def _values(self, figure: str) -> list[float]:
        return [run[figure] for run in self.runs if figure in run]


def rate(values: Sequence[float]) -> str:
    return number(median(values)) if values else NONE


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def last_word(text: str) -> str:
    """The line of a program's errors that says the most: pip's own error, else the last one; without addresses."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    found = (errors or lines or ["no message"])[-1]
    return re.sub(r"\w+://\S+", "…", found.removeprefix("ERROR:").strip())[:200]

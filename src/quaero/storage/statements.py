"""The SQL files: every statement has a name and a comment, and is looked up here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def statements(dialect: str, subject: str) -> Mapping[str, str]:
    """Name -> statement, of ``sql/<dialect>/<subject>.sql``. Both dialects answer the same names."""
    text = files("quaero.storage").joinpath("sql", dialect, f"{subject}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    named = {name: _strip(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}
    if len(named) != len(parts) // 2:
        raise ValueError(f"{dialect}/{subject}.sql names a statement twice")
    return named


def _strip(body: str) -> str:
    lines = (line for line in body.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(line for line in lines if line.strip()).rstrip(";")

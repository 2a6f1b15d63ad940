"""Collecting the tickers of a step: done once, so that a worker's model sees one ``tickers`` list.

In this order: the step's ``ticker`` and ``asx_code``, its ``tickers`` and ``asx_codes``, then ``ticker`` and
``asx_code`` of the entries of ``[config].variables``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

STEP_KEYS = ("ticker", "asx_code", "tickers", "asx_codes")
_ENTRY_KEYS = ("ticker", "asx_code")


def collect_tickers(step: Mapping[str, Any], config: Mapping[str, Any]) -> list[Any]:
    """All tickers of a step, in order, each once whatever its case; a value that is no text stays for the model."""
    found: dict[Any, Any] = {}
    for ticker in (*_of_step(step), *_of_variables(config)):
        if isinstance(ticker, str):
            if ticker.strip():
                found.setdefault(ticker.strip().upper(), ticker.strip())
        else:
            found.setdefault(repr(ticker), ticker)
    return list(found.values())


def _of_step(step: Mapping[str, Any]) -> Iterator[Any]:
    for key in STEP_KEYS:
        value = step.get(key, [])
        if isinstance(value, str):
            yield from value.split(",")
        elif isinstance(value, list):
            yield from value
        else:
            yield value


def _of_variables(config: Mapping[str, Any]) -> Iterator[Any]:
    variables = config.get("variables", [])
    for entry in variables if isinstance(variables, list) else []:
        if isinstance(entry, Mapping):
            yield from (entry[key] for key in _ENTRY_KEYS if key in entry)

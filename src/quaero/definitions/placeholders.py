"""Placeholders in texts: ``{name}``, ``{config.name}``, ``{env.NAME}`` and literal braces.

A placeholder is exactly one of these patterns; any other brace is text, so JSON in a prompt stays as
it is. ``{{`` is a literal ``{``, and the ``}}`` that closes it a literal ``}``: ``{{name}}`` becomes
``{name}``. A ``}}`` without a ``{{`` before it is text, for JSON ends so.

Values are resolved in two phases:

1. ``resolve_config`` when a step is planned: only ``{config.x}`` is replaced, everything else, the doubled
   braces too, is left as written. A config value may hold placeholders itself; they count as if they
   stood in its place. Doing this twice changes nothing.
2. ``resolve`` in the process that runs the job, once: ``{name}`` and ``{env.NAME}`` are replaced and doubled
   braces become single ones. What was put in is not read again, so a secret may contain braces.

The result of phase 1 may be stored; that of phase 2 never is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

_NAME = r"[A-Za-z0-9_-]+"
_REFERENCE = rf"config\.(?P<config>{_NAME}(?:\.{_NAME})*)|env\.(?P<env>[A-Za-z_][A-Za-z0-9_]*)|(?P<key>{_NAME})"
_TOKEN = re.compile(rf"\{{\{{|\}}\}}|\{{(?:{_REFERENCE})\}}")
_PAYLOAD = re.compile(rf"\{{payload\.({_NAME}(?:\.{_NAME})*)\}}")
_BRACED = re.compile(r"\{[^{}]*\}?|\}")
_KEY_NAME = re.compile(_NAME)
_API_KEY_NAME = re.compile(r"(?:^|[_-])(?:api[_-]?key|key|token|secret|password|pat)$", re.IGNORECASE)

Kind = Literal["key", "config", "env"]


@dataclass(frozen=True, slots=True)
class Reference:
    """What a placeholder points at: a stored key, a dotted path in ``[config]``, or an environment variable."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{{{self.name}}}" if self.kind == "key" else f"{{{self.kind}.{self.name}}}"


class Unresolved(LookupError):
    """A placeholder that has no value; carries its reference."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        super().__init__(f"nothing is known for the placeholder {reference}")


def find(text: str) -> tuple[Reference, ...]:
    """The placeholders of a text, in order, each once."""
    return tuple(dict.fromkeys(part for part in _parts(text) if isinstance(part, Reference)))


def find_in(value: Any) -> tuple[Reference, ...]:
    """The placeholders in all texts of a value, through its lists and tables (values, not keys), each once."""
    return tuple(dict.fromkeys(reference for text in _texts(value) for reference in find(text)))


def unresolved(value: Any, known: Callable[[Reference], bool]) -> tuple[Reference, ...]:
    """The placeholders of a value for which ``known`` says no."""
    return tuple(reference for reference in find_in(value) if not known(reference))


def resolve_config(value: Any, config: Mapping[str, Any]) -> Any:
    """Phase 1: ``{config.x}`` replaced through all lists and tables; keeps its type where it is the whole text.

    A name that isn't in ``config``, or one that leads back to itself, stays as it is.
    """
    return _map_texts(value, lambda text: _config_text(text, config, ()))


def resolve(value: Any, lookup: Callable[[Reference], str], *, raw: bool = False) -> Any:
    """Phase 2: every placeholder replaced by ``lookup(reference)``, doubled braces single. ``raw`` changes nothing.

    Raises:
        whatever ``lookup`` raises for a reference it doesn't know, by custom ``Unresolved``.
    """
    if raw:
        return value
    return _map_texts(value, lambda text: _final_text(text, lookup))


def escape(text: str) -> str:
    """A text that ``resolve`` turns into ``text``, whatever braces are in it."""
    out: list[str] = []
    depth = 0
    for char in text:
        if char == "{":
            depth += 1
            out.append("{{")
        elif char == "}" and depth:
            depth -= 1
            out.append("}}")
        else:
            out.append(char)
    return "".join(out)


def config_value(config: Mapping[str, Any], path: str) -> Any:
    """What ``[config]`` says under a dotted path; a key that has the dots in its name goes first.

    Raises:
        KeyError: nothing is there.
    """
    if path in config:
        return config[path]
    value: Any = config
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise KeyError(path)
        value = value[part]
    return value


def payload_fields(text: str) -> tuple[str, ...]:
    """The fields that a limit's key text reads, ``{payload.<field>}``.

    Raises:
        ValueError: other braces are in it.
    """
    for chunk in _BRACED.findall(text):
        if not _PAYLOAD.fullmatch(chunk):
            raise ValueError(f"{chunk!r} is not of the form {{payload.<field>}}")
    return tuple(dict.fromkeys(_PAYLOAD.findall(text)))


def resolve_payload(text: str, payload: Mapping[str, Any]) -> str:
    """A limit's key for one job; a field that the payload lacks counts as empty."""

    def fill(match: re.Match[str]) -> str:
        try:
            return _as_text(config_value(payload, match[1]))
        except KeyError:
            return ""

    return _PAYLOAD.sub(fill, text)


def is_key_name(text: str) -> bool:
    """Whether a text could be the name of a stored key."""
    return bool(_KEY_NAME.fullmatch(text))


def looks_like_api_key(name: str) -> bool:
    """Whether a key of this name may come from the environment too: ``gemini_api_key``, ``github_token``."""
    return bool(_API_KEY_NAME.search(name))


@dataclass(frozen=True, slots=True)
class KeyValue:
    """The value of a ``{name}`` and where it was found. One out of ``config`` is no secret."""

    value: str
    source: Literal["environment", "store", "config"]


def find_key(
    name: str, *, environment: Mapping[str, str], stored: Callable[[str], str | None], config: Mapping[str, Any]
) -> KeyValue | None:
    """The value of ``{name}``, or None.

    A name that looks like an API key is looked up in the environment (``GEMINI_API_KEY``), the key store and
    ``config``, in this order; any other name in the key store only.
    """
    api_key = looks_like_api_key(name)
    if api_key and (value := environment.get(name.upper().replace("-", "_"))):
        return KeyValue(value, "environment")
    if (value := stored(name)) is not None:
        return KeyValue(value, "store")
    if api_key and isinstance(value := config.get(name), str):
        return KeyValue(value, "config")
    return None


class _DoubledBrace(str):
    """``{{``, or the ``}}`` that closes it, as written."""

    __slots__ = ()


def _parts(text: str) -> Iterator[str | Reference]:
    """A text in parts, all as written: plain text, doubled braces and references."""
    done = depth = 0
    for match in _TOKEN.finditer(text):
        written = match[0]
        if written == "}}" and not depth:
            continue
        depth += {"{{": 1, "}}": -1}.get(written, 0)
        yield text[done : match.start()]
        kind = match.lastgroup
        yield _DoubledBrace(written) if kind is None else Reference(_kind(kind), match[kind])
        done = match.end()
    yield text[done:]


def _kind(group: str) -> Kind:
    return "config" if group == "config" else "env" if group == "env" else "key"


def _config_text(text: str, config: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if "{config." not in text:
        return text
    parts = [part for part in _parts(text) if part != ""]
    filled = [_config_part(part, config, within) for part in parts]
    return filled[0] if len(filled) == 1 else "".join(_as_text(part) for part in filled)


def _config_part(part: str | Reference, config: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if isinstance(part, str):
        return part
    if part.kind != "config" or part.name in within:
        return str(part)
    try:
        value = config_value(config, part.name)
    except KeyError:
        return str(part)
    return _map_texts(value, lambda text: _config_text(text, config, (*within, part.name)))


def _final_text(text: str, lookup: Callable[[Reference], str]) -> str:
    return "".join(_final_part(part, lookup) for part in _parts(text))


def _final_part(part: str | Reference, lookup: Callable[[Reference], str]) -> str:
    if isinstance(part, Reference):
        return lookup(part)
    return part[0] if isinstance(part, _DoubledBrace) else part


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _map_texts(value: Any, change: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_map_texts(item, change) for item in value]
    return value

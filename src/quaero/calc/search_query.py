"""The search language: what a user types -> a tree -> what the index of texts answers, and conditions.

``words "a phrase" -not title:word tag:name type:source_type after:2025-01 before:2025 pre*``, with ``AND``, ``OR``,
``NOT`` (upper case) and parentheses. Words side by side must all be there; ``OR`` binds weakest. ``after:`` includes
the start of the day, month or year that it names, ``before:`` ends at it.

Any text gives a query: what is no syntax is searched for, and what holds neither letter nor digit is dropped. The one
exception is a date that can't be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from quaero.errors import BadData

MAX_CHARS = 2000
"""Of a query; the rest is ignored."""
MAX_DEPTH = 32
"""Of parentheses; a deeper one counts as a space."""

_QUOTES = {ord(quote): '"' for quote in "\u201c\u201d\u201e\u00ab\u00bb"}
_FIELD = re.compile(r"(title|tag|type|after|before):", re.IGNORECASE)
_NEGATED = re.compile(r"-[^\s()-]")
_WORD = re.compile(r'[^\s()"]+')
_PERIOD = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Text:
    """A word or phrase; punctuation in it parts words, so that ``foo.bar_baz`` is a phrase of three."""

    words: str
    is_prefix: bool = False
    in_title: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    name: str


@dataclass(frozen=True, slots=True)
class Type:
    source_type: str


@dataclass(frozen=True, slots=True)
class After:
    """Updated at or after ``at`` (microseconds since 1970 UTC)."""

    at: int


@dataclass(frozen=True, slots=True)
class Before:
    """Updated before ``at`` (microseconds since 1970 UTC)."""

    at: int


@dataclass(frozen=True, slots=True)
class Matches:
    """A part of the tree that the index can answer at once. Made by :func:`compile_query`, never by the parser."""

    texts: Node


@dataclass(frozen=True, slots=True)
class Not:
    node: Node


@dataclass(frozen=True, slots=True)
class And:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    nodes: tuple[Node, ...]


Node = Text | Tag | Type | After | Before | Matches | Not | And | Or


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query for the store: documents that match ``match`` and for which ``condition`` holds.

    ``match``, ``ranking`` and those in :class:`Matches` are trees of texts alone, with nothing but a NOT beside
    something wanted: :func:`fts5_expression` and :func:`tsquery_tree` write them down for the databases.
    """

    match: Node | None
    """What every hit satisfies; None when the query can't be put so."""
    condition: Node | None
    """What else must hold; its texts are :class:`Matches`."""
    ranking: Node | None
    """For rank and snippets of hits: ``match``, or else any of the words asked for."""


def parse(text: str) -> Node | None:
    """The tree of a query; None when nothing is asked for.

    Raises:
        BadData: the value of ``after:`` or ``before:`` is not a date.
    """
    return _Parser(list(_tokens(_cleaned(text)))).query()


def compile_query(node: Node) -> CompiledQuery:
    """Split a tree into the part that the full-text index answers and the rest."""
    parts = node.nodes if isinstance(node, And) else (node,)
    texts = tuple(part for part in parts if _is_text(part))
    together = _joined(And, texts)
    if together is not None and _is_matchable(together):
        rest = _joined(And, tuple(part for part in parts if not _is_text(part)))
        return CompiledQuery(together, _condition(rest) if rest else None, together)
    return CompiledQuery(None, _condition(node), _joined(Or, tuple(_wanted(node))))


def fts5_expression(node: Node) -> str:
    """A tree of texts in the syntax of SQLite's FTS5; every word of the user's inside quotes."""
    if isinstance(node, Or):
        return "(" + " OR ".join(fts5_expression(part) for part in node.nodes) + ")"
    if isinstance(node, And):
        wanted = " AND ".join(fts5_expression(part) for part in node.nodes if not isinstance(part, Not))
        unwanted = " OR ".join(fts5_expression(part.node) for part in node.nodes if isinstance(part, Not))
        return f"(({wanted}) NOT ({unwanted}))" if unwanted else f"({wanted})"
    if not isinstance(node, Text):
        raise TypeError(f"not a text: {node}")
    words = node.words.rstrip("*") if node.is_prefix else node.words
    quoted = '"' + words.replace('"', '""') + '"' + (" *" if node.is_prefix else "")
    return f"title : {quoted}" if node.in_title else quoted


def tsquery_tree(node: Node) -> str:
    """A tree of texts as the JSON of which PostgreSQL's function ``quaero_query`` makes a tsquery."""
    return json.dumps(_as_json(node), ensure_ascii=False)


def _as_json(node: Node) -> list[object]:
    match node:
        case Text(words, is_prefix, in_title):
            return ["text", words, is_prefix, in_title]
        case Not(inner):
            return ["not", _as_json(inner)]
        case And(nodes):
            return ["and", [_as_json(part) for part in nodes]]
        case Or(nodes):
            return ["or", [_as_json(part) for part in nodes]]
    raise TypeError(f"not a text: {node}")


def parse_date(text: str, name: str) -> int:
    """Microseconds since 1970 UTC of the start of a year, month or day, or of an RFC 3339 time.

    Raises:
        BadData: names ``name`` (the field) and the forms that can be read.
    """
    try:
        if match := _PERIOD.fullmatch(text):
            year, month, day = (int(part or 1) for part in match.groups())
            moment = datetime(year, month, day, tzinfo=UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadData(
            f"{name}:{text[:40]} is not a date; write YYYY, YYYY-MM, YYYY-MM-DD or a time as 2025-01-31T08:00:00Z"
        ) from None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _cleaned(text: str) -> str:
    text = text[:MAX_CHARS].replace("\0", " ").translate(_QUOTES)
    return text.encode(errors="replace").decode()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """``(``, ``)``, ``AND``, ``OR``, ``NOT``, ``-`` or ``node``."""
    node: Node | None = None


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        char = text[place]
        if char in "()":
            yield _Token(char)
            place += 1
        elif char.isspace():
            place += 1
        elif text.startswith("-(", place):
            yield _Token("-")
            place += 1
        else:
            is_negated = char == "-" and _NEGATED.match(text, place) is not None
            token, place = _operand(text, place + is_negated)
            if token is not None:
                yield from (_Token("-"), _Token("node", token.node)) if is_negated else (token,)


def _operand(text: str, place: int) -> tuple[_Token | None, int]:
    """The word, phrase or field that starts here, if it holds anything, and where it ends."""
    if field := _FIELD.match(text, place):
        value, is_quoted, end = _value(text, field.end())
        if value.strip():
            return _made(field[1].lower(), value, is_prefix=text[end - (not is_quoted) :].startswith("*")), end
    value, is_quoted, end = _value(text, place)
    if not is_quoted and value in {"AND", "OR", "NOT"}:
        return _Token(value, Text(value)), end
    return _made("", value, is_prefix=text[end - (not is_quoted) :].startswith("*")), end


def _value(text: str, place: int) -> tuple[str, bool, int]:
    """The text of a word or of a closed quotation, whether it was quoted, and where it ends. May be empty."""
    if text[place : place + 1] == '"':
        end = text.find('"', place + 1)
        if end < 0:
            return "", False, place + 1
        return text[place + 1 : end], True, end + 1
    word = _WORD.match(text, place)
    return (word[0], False, word.end()) if word else ("", False, place)


def _made(field: str, value: str, *, is_prefix: bool) -> _Token | None:
    if field in {"after", "before"}:
        at = parse_date(value.strip(), field)
        return _Token("node", After(at) if field == "after" else Before(at))
    if field == "tag":
        return _Token("node", Tag(" ".join(value.lower().split())))
    if field == "type":
        return _Token("node", Type(value.strip()))
    if not any(char.isalnum() for char in value):
        return None
    return _Token("node", Text(value, is_prefix, field == "title"))


class _Parser:
    """Recursive descent over tokens; never fails: an operator without its operands is a word."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def query(self) -> Node | None:
        parts = []
        while self._place < len(self._tokens):
            part = self._any()
            if part is not None:
                parts.append(part)
            self._take(")")  # one that closes nothing
        return _joined(And, tuple(parts))

    def _any(self) -> Node | None:
        parts = []
        while True:
            part = self._all()
            if part is not None:
                parts.append(part)
            if not (parts and self._is_operator("OR")):
                return _joined(Or, tuple(parts))
            self._place += 1

    def _all(self) -> Node | None:
        parts: list[Node] = []
        while self._place < len(self._tokens):
            kind = self._tokens[self._place].kind
            if kind == ")" or (kind == "OR" and parts and self._is_operator("OR")):
                break
            if kind == "AND" and parts and self._is_operator("AND"):
                self._place += 1
                continue
            part = self._one()
            if part is not None:
                parts.append(part)
        return _joined(And, tuple(parts))

    def _one(self) -> Node | None:
        is_negated = False
        while self._tokens[self._place].kind in {"-", "NOT"} and self._has_operand():
            is_negated = not is_negated
            self._place += 1
        token = self._tokens[self._place]
        self._place += 1
        node = self._group() if token.kind == "(" else token.node
        if node is None or not is_negated:
            return node
        return node.node if isinstance(node, Not) else Not(node)

    def _group(self) -> Node | None:
        if self._depth >= MAX_DEPTH:
            return None
        self._depth += 1
        node = self._any()
        self._depth -= 1
        self._take(")")
        return node

    def _take(self, kind: str) -> None:
        if self._place < len(self._tokens) and self._tokens[self._place].kind == kind:
            self._place += 1

    def _is_operator(self, kind: str) -> bool:
        """Is the next token this operator, with an operand behind it?"""
        return self._place < len(self._tokens) and self._tokens[self._place].kind == kind and self._has_operand()

    def _has_operand(self) -> bool:
        place = self._place + 1
        return place < len(self._tokens) and self._tokens[place].kind in {"node", "(", "-", "NOT"}


def _joined(kind: type[And | Or], nodes: tuple[Node, ...]) -> Node | None:
    """One node of ``nodes``, flat: an And never holds an And, an Or never an Or."""
    flat: list[Node] = []
    for node in nodes:
        if isinstance(node, kind):
            flat.extend(node.nodes)
        else:
            flat.append(node)
    if len(flat) < 2:
        return flat[0] if flat else None
    return kind(tuple(flat))


def _is_text(node: Node) -> bool:
    if isinstance(node, Not):
        return _is_text(node.node)
    if isinstance(node, And | Or):
        return all(_is_text(part) for part in node.nodes)
    return isinstance(node, Text)


def _is_matchable(node: Node) -> bool:
    """Can the index answer it? Its NOT needs something to take away from."""
    if isinstance(node, Or):
        return all(_is_matchable(part) for part in node.nodes)
    if isinstance(node, And):
        inner = [part.node if isinstance(part, Not) else part for part in node.nodes]
        return all(_is_matchable(part) for part in inner) and not all(isinstance(p, Not) for p in node.nodes)
    return isinstance(node, Text)


def _condition(node: Node) -> Node:
    """The same tree with each largest matchable part as one :class:`Matches`."""
    if _is_text(node) and _is_matchable(node):
        return Matches(node)
    if isinstance(node, Not):
        return Not(_condition(node.node))
    if isinstance(node, And):
        return And(tuple(_condition(part) for part in node.nodes))
    if isinstance(node, Or):
        return Or(tuple(_condition(part) for part in node.nodes))
    return node


def _wanted(node: Node) -> Iterator[Text]:
    """The words that a hit may have, not those that it must not."""
    if isinstance(node, Text):
        yield node
    elif isinstance(node, And | Or):
        for part in node.nodes:
            yield from _wanted(part)

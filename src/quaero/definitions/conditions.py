"""The condition of a step: a small expression over the steps of its run and ``[config]``.

::

    expression  or-ed, and-ed, not-ed comparisons, parentheses
    comparison  operand, or operand == != < <= > >= operand
    operand     steps.<name>.status, steps.<name>.documents, config.<key>, 'text', "text", 12, 1.5, true, false

Values of different kinds are unequal and neither is smaller. A config key that isn't there equals
nothing and counts as false, as 0, "" and an empty list do.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from quaero.definitions.placeholders import config_value

_MAX_DEPTH = 50
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<path>(?:steps|config)\.[A-Za-z0-9_.-]*)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<sign>==|!=|<=|>=|<|>|\(|\))
    )""",
    re.VERBOSE,
)
_STEP_PATH = re.compile(r"steps\.([a-z0-9_]+)\.(status|documents)")
_CONFIG_PATH = re.compile(r"config\.((?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+)")
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SIGNS = ("==", "!=", *_ORDERED)


class ConditionError(ValueError):
    """No condition; ``column`` (from 1) is where reading it stopped."""

    def __init__(self, message: str, column: int) -> None:
        self.column = column
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ConditionView:
    """What a condition sees of a run: per step its status and number of documents, and ``[config]``."""

    statuses: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


_Evaluate = Callable[[ConditionView], Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. ``steps`` are the step names in it, ``config_keys`` the dotted config paths."""

    text: str
    steps: tuple[str, ...]
    config_keys: tuple[str, ...]
    _evaluate: _Evaluate = field(repr=False, compare=False)

    def evaluate(self, view: ConditionView) -> bool:
        """Whether the condition holds. Never raises: what isn't known is unequal to everything."""
        return bool(self._evaluate(view))


def parse_condition(text: str) -> Condition:
    """The condition that a text says.

    Raises:
        ConditionError: the text doesn't follow the grammar, or nests more than 50 deep.
    """
    return _Parser(text).parse()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


def _tokens(text: str) -> Iterator[_Token]:
    done = 0
    while text[done:].strip():
        match = _TOKEN.match(text, done)
        if not match or not match.lastgroup:
            start = done + len(text[done:]) - len(text[done:].lstrip())
            raise ConditionError(f"{text[start]!r} is not understood", start + 1)
        yield _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1)
        done = match.end()
    yield _Token("end", "the end", len(text) + 1)


class _Parser:
    """Recursive descent; each method reads one rule of the grammar and gives its evaluation."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0
        self._steps: dict[str, None] = {}
        self._config_keys: dict[str, None] = {}

    def parse(self) -> Condition:
        evaluate = self._or()
        if self._token.kind != "end":
            raise self._unexpected("and, or or a comparison")
        return Condition(self._text, tuple(self._steps), tuple(self._config_keys), evaluate)

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, *texts: str) -> _Token | None:
        token = self._token
        if token.kind in ("word", "sign") and token.text in texts:
            self._next += 1
            return token
        return None

    def _unexpected(self, wanted: str) -> ConditionError:
        return ConditionError(f"expected {wanted}, found {self._token.text}", self._token.column)

    def _or(self) -> _Evaluate:
        terms = [self._and()]
        while self._accept("or"):
            terms.append(self._and())
        return terms[0] if len(terms) == 1 else lambda view: any(term(view) for term in terms)

    def _and(self) -> _Evaluate:
        terms = [self._not()]
        while self._accept("and"):
            terms.append(self._not())
        return terms[0] if len(terms) == 1 else lambda view: all(term(view) for term in terms)

    def _not(self) -> _Evaluate:
        if not self._accept("not"):
            return self._comparison()
        inner = self._nested(self._not)
        return lambda view: not inner(view)

    def _nested(self, rule: Callable[[], _Evaluate]) -> _Evaluate:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ConditionError("nested too deeply", self._token.column)
        inner = rule()
        self._depth -= 1
        return inner

    def _comparison(self) -> _Evaluate:
        left = self._operand()
        sign = self._accept(*_SIGNS)
        if not sign:
            return left
        right = self._operand()
        return lambda view: _compare(sign.text, left(view), right(view))

    def _operand(self) -> _Evaluate:
        if self._accept("("):
            inner = self._nested(self._or)
            if not self._accept(")"):
                raise self._unexpected("a closing parenthesis")
            return inner
        token = self._token
        if token.kind == "path":
            evaluate = self._path(token)
        elif token.kind in ("number", "text") or token.text in ("true", "false"):
            value = _literal(token)
            evaluate = lambda _: value  # noqa: E731 - its siblings are lambdas too
        else:
            raise self._unexpected("steps.<name>.status, steps.<name>.documents, config.<key> or a value")
        self._next += 1
        return evaluate

    def _path(self, token: _Token) -> _Evaluate:
        if match := _STEP_PATH.fullmatch(token.text):
            name = match[1]
            self._steps[name] = None
            if match[2] == "status":
                return lambda view: view.statuses.get(name)
            return lambda view: view.documents.get(name, 0)
        if match := _CONFIG_PATH.fullmatch(token.text):
            key = match[1]
            self._config_keys[key] = None
            return lambda view: _config_or_none(view.config, key)
        raise ConditionError(f"{token.text} is neither steps.<name>.status, .documents nor config.<key>", token.column)


def _literal(token: _Token) -> Any:
    if token.kind == "text":
        return token.text[1:-1]
    if token.kind == "number":
        return float(token.text) if "." in token.text else int(token.text)
    return token.text == "true"


def _config_or_none(config: Mapping[str, Any], key: str) -> Any:
    try:
        return config_value(config, key)
    except KeyError:
        return None


def _compare(sign: str, left: Any, right: Any) -> bool:
    alike = _kind(left) == _kind(right)
    if sign == "==":
        return alike and left is not None and bool(left == right)
    if sign == "!=":
        return not (alike and left is not None and left == right)
    return alike and isinstance(left, int | float | str) and _ORDERED[sign](left, right)


def _kind(value: Any) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)

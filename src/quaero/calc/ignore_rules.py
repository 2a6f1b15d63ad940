"""Which paths the rules of ``.gitignore`` files leave out. Source: https://git-scm.com/docs/gitignore

A walker asks entry by entry, from the top down, and does not enter what is ignored: as with git, a file can't be
brought back when one of its folders is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern


@dataclass(frozen=True, slots=True)
class _Rule:
    regex: re.Pattern[str]
    ignores: bool
    folders_only: bool

    def matches(self, path: str, *, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        found = self.regex.search(path)
        # The one named group says that the pattern matched a folder above, about which the walker asked before.
        return found is not None and found.lastgroup is None


class IgnoreRules:
    """The rules of one file, for paths relative to the folder it lies in. Later rules win over earlier ones."""

    __slots__ = ("_rules",)

    def __init__(self, lines: Iterable[str] = ()) -> None:
        rules = [rule for line in lines if (rule := _parse(line)) is not None]
        self._rules = tuple(reversed(rules))

    def __bool__(self) -> bool:
        return bool(self._rules)

    def decide(self, path: str, *, is_folder: bool) -> bool | None:
        """True: ignored. False: kept, by a negated rule. None: these rules don't say."""
        for rule in self._rules:
            if rule.matches(path, is_folder=is_folder):
                return rule.ignores
        return None


@dataclass(frozen=True, slots=True)
class RuleStack:
    """Rules of several folders; the ones pushed last are asked first."""

    layers: tuple[tuple[str, IgnoreRules], ...] = ()
    """Prefix to take off a path (``""`` or ``"docs/"``) and the rules to ask then, weakest first."""

    def push(self, prefix: str, rules: IgnoreRules) -> RuleStack:
        """This stack with one more layer on top; without rules, this stack."""
        return RuleStack((*self.layers, (prefix, rules))) if rules else self

    def decide(self, path: str, *, is_folder: bool) -> bool | None:
        """What the topmost layer that has something to say about ``path`` says."""
        for prefix, rules in reversed(self.layers):
            verdict = rules.decide(path[len(prefix) :], is_folder=is_folder)
            if verdict is not None:
                return verdict
        return None


def parse_ignore_file(content: bytes) -> IgnoreRules:
    """The rules in the bytes of a ``.gitignore``, whatever encoding they are in."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return IgnoreRules(line.removesuffix("\r") for line in text.split("\n"))


_CLASSES: Final = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": "!-.:-@[-`{-~",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_CLASS: Final = re.compile(r"\[:([a-z]+):\]")
_SET_OPERATOR: Final = re.compile(r"(?<=(?<!\\)\[)\[|(?<=(?<!\\)\[\^)\[|[&|~-](?=[&|~-])")
"""What Python may one day give a meaning inside of ``[]``; outside of it, these come escaped already."""


def _members(found: re.Match[str]) -> str:
    return _CLASSES.get(found[1], found[0])


def _parse(line: str) -> _Rule | None:
    pattern = line if line.endswith("\\ ") else line.rstrip(" \t")
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    if pattern in ("", "!"):
        return None
    try:
        expression, ignores = GitIgnoreSpecPattern.pattern_to_regex(_CLASS.sub(_members, pattern))
        if expression is None or ignores is None:
            return None
        regex = re.compile(_SET_OPERATOR.sub(r"\\\g<0>", expression))
    except (ValueError, re.error):
        return None  # git leaves out patterns it can't read, and so do its users' expectations
    return _Rule(regex, ignores, folders_only)

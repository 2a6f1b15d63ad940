"""Words and phrases a text is about: statistics over this one text, no model, no LLM, the same answer every time.

A word counts for more when it is frequent, comes early, is spread over the text, is written with capitals inside of
sentences and keeps company with few other words. Source: Campos et al., "YAKE! Keyword extraction from single
documents using multiple local features", Information Sciences 509 (2020), with our own cleaning, choice of
candidates and confidence.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median_low, pstdev
from typing import Final, NamedTuple

from quaero.calc.stop_words import CODE, ENGLISH

MAX_WORDS: Final = 3
"""Longest phrase."""
_MAX_CHARACTERS: Final = 40
"""Longer runs are hashes and encoded data."""
_POOL: Final = 40
"""How many candidates per keyword asked for are looked at, best first."""
_LONG_TEXT_TERMS: Final = 200
"""With so many different words, a phrase or a rare word must come twice to count."""


class Keyword(NamedTuple):
    text: str
    confidence: float
    """In (0, 1]; 1 for the best one of the text."""


def extract_keywords(text: str, *, limit: int = 10, is_code: bool = False) -> list[Keyword]:
    """At most ``limit`` keywords, best first. None is a part, a plural or a reordering of another one.

    ``is_code``: the text is source code; identifiers are taken apart into words.
    """
    if limit < 1:
        return []
    tokens = _TOKEN.findall(_split_identifiers(text) if is_code else strip_markup(text))
    counted = _count(tokens, ENGLISH | CODE if is_code else ENGLISH)
    weights = _weights(counted)
    scored = sorted((_score(phrase, count, weights), phrase) for phrase, count in _candidates(counted))
    chosen = _distinct(scored[: limit * _POOL], limit)
    spellings = _spellings(tokens, {word for _, phrase in chosen for word in phrase})
    return [Keyword(" ".join(spellings[w] for w in phrase), _confidence(s, chosen[0][0])) for s, phrase in chosen]


def strip_markup(text: str) -> str:
    """Prose without code blocks, tags, link targets, addresses and entities; headings become sentences."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text


Phrase = tuple[str, ...]

_MARKUP: Final = (
    (re.compile(r"^ {0,3}(```|~~~)[^\n]*\n.*?(?:^ {0,3}\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL), "\n\n"),
    (re.compile(r"<(script|style|pre)\b[^>]{0,1000}>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE), "\n\n"),
    (re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL), " "),
    (re.compile(r"</?[A-Za-z][^<>]{0,1000}>"), " | "),
    (re.compile(r"\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.|mailto:)[^\s<>)\]\"'`]+", re.IGNORECASE), " "),
    (re.compile(r"\]\([^()\s]{0,500}(?:\s+\"[^\"\n]{0,200}\")?\)"), "] "),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}"), " "),
    (re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8});", re.IGNORECASE), " "),
    (re.compile(r"^ {0,3}#{1,6} ([^\n]*)$", re.MULTILINE), r"\n\n\1\n\n"),
)
_TOKEN: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[.!?](?=\s)|\n\s*\n|[^\w\s]|_")
_IDENTIFIER: Final = re.compile(r"[A-Za-z]\w*")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SENTENCE_ENDS: Final = frozenset(".!?")


@dataclass(slots=True)
class _Term:
    """What was counted of one word."""

    count: int = 0
    capitalised: int = 0
    """Begins with a capital inside of a sentence."""
    acronym: int = 0
    sentences: list[int] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    left_count: int = 0
    right: set[str] = field(default_factory=set)
    right_count: int = 0


@dataclass(slots=True)
class _Counted:
    terms: dict[str, _Term] = field(default_factory=dict)
    phrases: Counter[Phrase] = field(default_factory=Counter)
    sentences: int = 1


def _split_identifiers(code: str) -> str:
    """``JobManager`` and ``job_manager`` as `` ; job manager ; ``, plain words as they are."""
    return _IDENTIFIER.sub(_identifier_words, code)


def _identifier_words(found: re.Match[str]) -> str:
    name = found.group()
    if name.islower() and "_" not in name:
        return name
    parts = _PART.findall(name)
    return f" ; {' '.join(parts).lower()} ; " if len(parts) > 1 else name.lower()


def _count(tokens: list[str], stop_words: frozenset[str]) -> _Counted:
    """Count words and the phrases between stop words and punctuation."""
    counted, run, begins = _Counted(), list[str](), True
    for token in tokens:
        if not token[0].isalnum():
            _close(run, counted)
            if token in _SENTENCE_ENDS or token[0] == "\n":
                counted.sentences += not begins
                begins = True
            continue
        word = token.lower()
        if word in stop_words or not _may_count(token):
            _close(run, counted)
        else:
            term = counted.terms.get(word)
            if term is None:
                term = counted.terms[word] = _Term()
            term.count += 1
            term.sentences.append(counted.sentences)
            if token.isupper():
                term.acronym += 1
            elif not begins and token[0].isupper():
                term.capitalised += 1
            run.append(word)
        begins = False
    _close(run, counted)
    return counted


def _may_count(token: str) -> bool:
    """Neither a number nor encoded data; words of two letters only in capitals (CI) or another script."""
    length = len(token)
    if length < 3:
        return length == 2 and (token.isupper() or not token.isascii()) and token.isalpha()
    return length <= _MAX_CHARACTERS and not token[0].isnumeric()


def _close(run: list[str], counted: _Counted) -> None:
    """Take the phrases out of a run of words without a stop word; the run is empty afterwards."""
    if not run:
        return
    for before, after in pairwise(run):
        first, second = counted.terms[before], counted.terms[after]
        first.right.add(after)
        first.right_count += 1
        second.left.add(before)
        second.left_count += 1
    for length in range(1, MAX_WORDS + 1):
        counted.phrases.update(zip(*(run[start:] for start in range(length)), strict=False))
    run.clear()


def _weights(counted: _Counted) -> dict[str, float]:
    """Word -> weight, above 0; a lower one is better. The S(w) of the source."""
    counts = [term.count for term in counted.terms.values()]
    if not counts:
        return {}
    usual, most = fmean(counts) + pstdev(counts), max(counts)
    weights = {}
    for word, term in counted.terms.items():
        casing = max(term.capitalised, term.acronym) / (1 + math.log(term.count))
        position = math.log(math.log(3 + median_low(term.sentences)))
        frequency = term.count / usual
        company = (_variety(term.left, term.left_count) + _variety(term.right, term.right_count)) * term.count / most
        relatedness = 1 + company
        spread = len(set(term.sentences)) / counted.sentences
        weights[word] = relatedness * position / (casing + frequency / relatedness + spread / relatedness)
    return weights


def _variety(neighbours: set[str], count: int) -> float:
    return len(neighbours) / count if count else 0.0


def _candidates(counted: _Counted) -> list[tuple[Phrase, int]]:
    """Phrases without a repeated word; in a long text only those that come more than once, unless none does."""
    phrases = [(phrase, count) for phrase, count in counted.phrases.items() if len(set(phrase)) == len(phrase)]
    if len(counted.terms) < _LONG_TEXT_TERMS:
        return phrases
    return [(phrase, count) for phrase, count in phrases if count > 1] or phrases


def _score(phrase: Phrase, count: int, weights: dict[str, float]) -> float:
    """Above 0; a lower one is better. A repeated phrase of n words counts n² times as much as one word.

    In place of the S(kw) of the source, whose product of weights puts phrases of common words too far back.
    """
    logarithms = math.fsum(math.log(weights[word]) for word in phrase)
    return math.exp(logarithms / len(phrase)) / (count * (len(phrase) ** 2 if count > 1 else 1))


def _distinct(scored: list[tuple[float, Phrase]], limit: int) -> list[tuple[float, Phrase]]:
    """The best phrases of which none holds all the words of another one, or two of them, plural or not."""
    chosen: list[tuple[float, Phrase]] = []
    stems: list[frozenset[str]] = []
    for score, phrase in scored:
        stem = frozenset(_stem(word) for word in phrase)
        if any(len(stem & other) >= min(2, len(stem), len(other)) for other in stems):
            continue
        chosen.append((score, phrase))
        stems.append(stem)
        if len(chosen) == limit:
            break
    return chosen


def _stem(word: str) -> str:
    """A word without the plainest English endings, so that plurals and possessives fall together."""
    word = word.removesuffix("'s").removesuffix("’s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _spellings(tokens: list[str], words: set[str]) -> dict[str, str]:
    """Word -> how the text mostly writes it; of equals, the one that comes first."""
    found: dict[str, Counter[str]] = {word: Counter() for word in words}
    for token in tokens:
        if counter := found.get(token.lower()):
            counter[token] += 1
        elif counter is not None:
            counter[token] = 1
    return {word: spellings.most_common(1)[0][0] for word, spellings in found.items()}


def _confidence(score: float, best: float) -> float:
    """1 for the best, 0.5 for a score about three times as high, never 0."""
    return max(round(1 / (1 + math.log(score / best)), 4), 0.0001)

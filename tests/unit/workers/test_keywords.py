"""Keywords: what comes out is short, distinct, ordered and always the same."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from quaero.calc.keywords import Keyword, extract_keywords, strip_markup

PROSE = """
# Coral reefs and warming seas

Coral reefs are built by coral polyps. When the sea surface temperature rises, coral bleaching follows: polyps lose
their algae. Marine biologists at the James Cook University measure coral bleaching each summer. Bleaching events now
come more often, and reefs have less time to recover. A marine reserve protects reefs from fishing, but no marine
reserve keeps the sea surface temperature low.
"""


def texts(found: list[Keyword]) -> list[str]:
    return [keyword.text for keyword in found]


def test_what_a_text_is_about_comes_first() -> None:
    found = texts(extract_keywords(PROSE, limit=8))

    assert "coral bleaching" in {text.lower() for text in found[:4]}
    assert {"sea surface temperature", "marine reserve"} <= {text.lower() for text in found}


def test_code_is_read_as_the_words_in_its_identifiers() -> None:
    code = (
        "class JobManager:\n    def complete_job(self, job_manager: JobManager) -> None:\n        return job_manager\n"
    )

    assert "job manager" in texts(extract_keywords(code, is_code=True))


def test_code_blocks_tags_addresses_and_entities_are_no_words() -> None:
    text = (
        "Visible.\n```python\nhidden\n```\n<div class='hidden'>shown</div> <!-- hidden --> "
        "https://hidden.example/hidden [link](hidden.html) &nbsp; hidden@hidden.example <script>hidden()</script>"
    )

    assert "hidden" not in strip_markup(text)
    assert {"shown", "[link]", "Visible."} <= set(strip_markup(text).split())


def test_plurals_parts_and_reorderings_are_one_keyword() -> None:
    text = "The queue worker and queue workers. A worker queue. " * 5

    assert len(extract_keywords(text)) == 1


def test_there_is_nothing_in_nothing() -> None:
    assert extract_keywords("") == []
    assert extract_keywords("the of and 42 !!! a") == []
    assert extract_keywords(PROSE, limit=0) == []


def test_a_word_is_spelt_as_the_text_mostly_spells_it() -> None:
    assert texts(extract_keywords("We store it in SQLite. SQLite is small. sqlite", limit=1)) == ["SQLite"]


@given(st.text(max_size=500), st.integers(1, 20), st.booleans())
def test_keywords_are_few_short_distinct_and_sure_to_a_degree(text: str, limit: int, is_code: bool) -> None:
    found = extract_keywords(text, limit=limit, is_code=is_code)

    assert len(found) <= limit
    assert len({keyword.text.lower() for keyword in found}) == len(found)
    assert all(0 < keyword.confidence <= 1 for keyword in found)
    assert all(1 <= len(keyword.text.split()) <= 3 for keyword in found)
    assert [k.confidence for k in found] == sorted((k.confidence for k in found), reverse=True)
    assert found == extract_keywords(text, limit=limit, is_code=is_code)


@given(st.lists(st.sampled_from(["queue", "worker", "SQLite", "the", ".", "\n\n", "run-time", "jobs"]), max_size=300))
def test_no_keyword_holds_all_the_words_of_another(words: list[str]) -> None:
    sets = [set(text.lower().split()) for text in texts(extract_keywords(" ".join(words)))]

    assert not any(a <= b for i, a in enumerate(sets) for j, b in enumerate(sets) if i != j)


def test_a_megabyte_takes_seconds_at_most_whatever_is_in_it() -> None:
    for piece in (PROSE, "<a ", "```\n", "a@", "[](", "x" * 60, "\n \n", "a-", "<!--", "aB_"):
        text = piece * (1_000_000 // len(piece))
        before = time.perf_counter()

        extract_keywords(text)
        extract_keywords(text, is_code=True)

        assert time.perf_counter() - before < 10, f"{piece!r} repeated is slow"

"""Masking: what a secret was made of can't be read in what goes out."""

from __future__ import annotations

import base64
import json
from threading import Thread
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quaero.queue.masking import MASK, Masker

# The mask's own character is left out: a secret of asterisks can't be told from a mask.
texts = st.text(alphabet=st.characters(exclude_characters="*", exclude_categories=["Cs"]), max_size=30)
few_letters = st.text(alphabet="abc", max_size=12)
secrets = st.lists(texts.filter(bool) | few_letters.filter(bool), min_size=1, max_size=4)
plain_data = st.recursive(
    texts | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

# Patterns are compiled in every example: on a busy machine that takes a while.
slow_is_fine = settings(deadline=None)


def masker(*values: str) -> Masker:
    made = Masker()
    for value in values:
        made.add(value)
    return made


def strings(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for pair in value.items() for item in pair for text in strings(item)]
        case list() | tuple():
            return [text for item in value for text in strings(item)]
    return []


@slow_is_fine
@given(secrets, st.lists(texts | few_letters, min_size=2, max_size=6), st.randoms())
def test_no_secret_survives_wherever_it_stands(values, around, random):
    text = "".join(part + random.choice([*values, ""]) for part in around)

    masked = masker(*values).text(text)

    assert not [value for value in values if value in masked]


@slow_is_fine
@given(few_letters.filter(lambda text: len(text) > 1), few_letters.filter(lambda text: len(text) > 1))
def test_secrets_that_overlap_leave_no_piece_behind(left, right):
    joined = left + right[1:] if left[-1] == right[0] else left + right

    assert masker(left, right).text(joined) == MASK


@slow_is_fine
@given(st.text(min_size=8, max_size=20), st.binary(max_size=5), st.binary(max_size=5))
def test_no_secret_survives_inside_of_base64(secret, before, after):
    raw = secret.encode("utf-8")
    text = base64.b64encode(before + raw + after).decode()

    masked = masker(secret).text(text)

    assert MASK in masked
    assert len(masked.replace(MASK, "")) <= len(text) - (len(raw) * 4 // 3 - 3)


@pytest.mark.parametrize(
    "encode",
    [
        lambda secret: quote(secret, safe=""),
        quote,
        quote_plus,
        lambda secret: quote(secret, safe="").replace("%2F", "%2f"),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
        lambda secret: json.dumps(secret)[1:-1],
        lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    ],
    ids=["quoted", "path", "form", "lower-case quotes", "base64", "urlsafe", "json", "json unicode"],
)
def test_encoded_secrets_are_masked_too(encode):
    secret = 'pa/ss "wörd"+??>>&\n12'

    masked = masker(secret).text(f"before {encode(secret)} after")

    assert masked == f"before {MASK} after"


@slow_is_fine
@given(plain_data, texts.filter(bool))
def test_no_text_in_plain_data_holds_the_secret(data, secret):
    nested = {"list": [data, secret], secret: (secret, {"deep": f"x{secret}y"})}

    masked = masker(secret).value(nested)

    assert not [text for text in strings(masked) if secret in text]


def test_what_is_not_text_keeps_its_value_and_shape():
    assert masker("s3cret").value({"n": 1, "t": (1.5, None), "l": [True, "s3cret"]}) == {
        "n": 1,
        "t": (1.5, None),
        "l": [True, MASK],
    }


@slow_is_fine
@given(plain_data)
def test_without_secrets_the_same_object_comes_back(data):
    idle = masker("")

    assert not idle.active
    assert idle.value(data) is data
    assert idle.text("text") == "text"


def test_text_without_a_secret_is_returned_as_it_is():
    text = "nothing to see"

    assert masker("s3cret").active
    assert masker("s3cret").text(text) is text


def test_a_secret_is_masked_as_soon_as_add_returns_in_any_thread():
    shared = Masker()
    missed: list[str] = []

    def work(number: int) -> None:
        for turn in range(30):
            secret = f"secret-{number}-{turn}-x"
            shared.add(secret)
            if secret in shared.text(f"<{secret}>"):
                missed.append(secret)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert missed == []

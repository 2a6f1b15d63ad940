"""From bytes to text, languages by name, headings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.calc.headings import first_heading
from quaero.calc.languages import CODE, extension_of, language_of
from quaero.calc.text_decoding import decode_marked, detect_text


@given(st.binary(max_size=400))
def test_no_bytes_break_the_decoder_and_what_comes_out_can_be_stored(data: bytes) -> None:
    for decoded in (decode_marked(data), detect_text(data)):
        if decoded is not None:
            decoded.text.encode()
            assert "\0" not in decoded.text
            assert decoded.encoding


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
def test_utf8_text_comes_back_as_it_was(text: str) -> None:
    decoded = decode_marked(b"\xef\xbb\xbf" + text.encode())

    assert decoded is not None
    assert decoded.text == text


def test_a_long_text_in_a_double_byte_encoding_is_not_cut_within_a_character() -> None:
    text = "日本語のテキストです。これは長い文章です。\n" * 3_000

    decoded = detect_text(text.encode("shift_jis"))

    assert decoded is not None
    assert decoded.text == text


@pytest.mark.parametrize(
    ("name", "first_line", "language"),
    [
        ("a.py", "", "Python"),
        ("A.PY", "", "Python"),
        ("Dockerfile.dev", "", "Dockerfile"),
        ("Makefile", "", "Makefile"),
        ("poetry.lock", "", "TOML"),
        ("run", "#!/usr/bin/env -S python3 -u", "Python"),
        ("run", "#!/bin/bash -e", "Shell"),
        ("run", "#!/opt/thing", "Text"),
        (".gitignore", "", "Ignore list"),
        ("noextension", "", "Text"),
        ("", "", "Text"),
    ],
)
def test_the_language_follows_from_name_or_first_line(name: str, first_line: str, language: str) -> None:
    assert language_of(name, first_line) == language


def test_prose_and_data_are_no_code() -> None:
    assert {"Python", "TypeScript", "SQL"} <= CODE
    assert not {"Markdown", "JSON", "YAML", "Text", "HTML"} & CODE


def test_an_extension_is_what_follows_the_last_dot_of_a_name() -> None:
    assert [extension_of(n) for n in ("a.PY", "a.tar.gz", ".gitignore", "a", "a.", "..x")] == [
        *(".py", ".gz", "", "", ".", "")
    ]


@given(st.text(max_size=300))
def test_any_text_has_a_heading_or_none(text: str) -> None:
    assert len(first_heading(text)) <= 200


@pytest.mark.parametrize(
    ("markdown", "heading"),
    [
        ("# A `code` **bold** name_with_underscores #", "A code bold name_with_underscores"),
        ("~~~\n# no\n~~~\n# yes", "yes"),
        ("+++\nt = 1\n+++\n## after", "after"),
        ("a\nb\n---\n", "b"),
        ("---\n", ""),
        ("#no space\n", ""),
        ("![image](x.png)\n# [![b](c)](d) Title", "Title"),
    ],
)
def test_the_first_heading_is_the_title(markdown: str, heading: str) -> None:
    assert first_heading(markdown) == heading

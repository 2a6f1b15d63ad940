"""Switching a definition on and off in its text."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.definitions.edit import with_enabled, written_id
from quaero.errors import BadData


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('id = "a"\nenabled = true  # for now\n', 'id = "a"\nenabled = false  # for now\n'),
        ('id = "a"\n"enabled"=true\r\n[step.a]\n', 'id = "a"\n"enabled"=false\r\n[step.a]\n'),
        ('id = "a"\n\n# the first\n[step.a]\n', 'id = "a"\nenabled = false\n\n# the first\n[step.a]\n'),
        ('id = "a"\r\n\r\n[step.a]\r\n', 'id = "a"\r\nenabled = false\r\n\r\n[step.a]\r\n'),
        ('id = "a"', 'id = "a"\nenabled = false\n'),
        ("", "enabled = false\n"),
        ("# notes\n[step.a]\nenabled = true\n", "# notes\nenabled = false\n[step.a]\nenabled = true\n"),
        ('a = """\n# x\n[b]\n"""\n\n[[c]]\n', 'a = """\n# x\n[b]\n"""\nenabled = false\n\n[[c]]\n'),
        ("a = [\n  [1],\n  # x\n]\n[c]\n", "a = [\n  [1],\n  # x\n]\nenabled = false\n[c]\n"),
        ("  [c]\nenabled = 3\n", "enabled = false\n  [c]\nenabled = 3\n"),
        ("x = nan\n", "x = nan\nenabled = false\n"),
        ("a = 'x\u2028y'\n[c]\n", "a = 'x\u2028y'\nenabled = false\n[c]\n"),
    ],
)
def test_one_line_changes(before, after):
    assert with_enabled(before, False) == after


def test_what_is_so_already_stays_as_it_is():
    assert with_enabled("enabled=false", False) == "enabled=false"


@pytest.mark.parametrize("text", ["a = ", 'enabled = "no"', "[enabled]\na = 1", "enabled.a = true", "enabled = 1"])
def test_what_cant_be_switched_is_refused(text):
    with pytest.raises(BadData):
        with_enabled(text, False)


COMMENT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).map(
    lambda text: f"#{text}"
)
BLANK = st.one_of(st.just(""), COMMENT, st.just("\t "))
VALUES = st.sampled_from(
    [
        "1",
        "nan",
        "'[x]'",
        '"# no comment"',
        "[\n  [1], # one\n\n  # two\n  [2],\n]",
        '"""\n[step.a]\n# text\n\n"""',
        "'''\nenabled = true\n'''",
        "{ enabled = true, b = [1] }",
        "2025-01-01T00:00:00Z",
        "true",
    ]
)


def pairs(names: list[str]) -> st.SearchStrategy[list[str]]:
    """Some of these keys, each with a value and maybe a comment behind."""
    one = st.tuples(st.sampled_from(names), VALUES, st.one_of(st.just(""), COMMENT.map(lambda text: f"  {text}")))
    return st.lists(one, unique_by=lambda pair: pair[0], max_size=4).map(
        lambda chosen: [f"{name} = {value}{comment}" for name, value, comment in chosen]
    )


@st.composite
def definitions(draw: st.DrawFn) -> str:
    """Texts of keys, comments and tables, with and without ``enabled``."""
    top = draw(pairs(["id", "name", '"a b"', "tags", "x.y", "x.enabled"]))
    if draw(st.booleans()):
        written = draw(
            st.sampled_from(["enabled = true", "enabled=false", "'enabled' =\ttrue # why", "  enabled = false"])
        )
        top.insert(draw(st.integers(0, len(top))), written)
    parts = [*top]
    for header in draw(st.lists(st.sampled_from(["[step.a]", "  [step.b]", "[ config ]"]), unique=True)):
        parts += [header, *draw(pairs(["enabled", "type"]))]
    lines: list[str] = []
    for part in parts:
        lines += [*draw(st.lists(BLANK, max_size=2)), part]
    lines += draw(st.lists(BLANK, max_size=2))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return "\n".join(lines).replace("\n", newline) + draw(st.sampled_from(["", newline]))


@given(definitions(), st.booleans())
def test_everything_but_the_one_key_stays(text: str, enabled: bool):
    before = tomllib.loads(text)

    changed = with_enabled(text, enabled)

    after = tomllib.loads(changed)
    assert after.pop("enabled") is enabled
    before.pop("enabled", None)
    assert repr(after) == repr(before)
    old, new = text.splitlines(), changed.splitlines()
    if len(old) == len(new):
        assert sum(one != other for one, other in zip(old, new, strict=True)) <= 1
        assert [line.partition("#")[2] for line in old] == [line.partition("#")[2] for line in new]
    else:
        added = next(index for index, line in enumerate(new) if index == len(old) or line != old[index])
        assert new[added].startswith("enabled = ")
        assert new[:added] + new[added + 1 :] == old


@given(definitions(), st.booleans())
def test_back_and_forth_is_the_same_as_once(text: str, enabled: bool):
    once = with_enabled(text, enabled)

    assert with_enabled(with_enabled(once, not enabled), enabled) == once


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('id = "a"\nname = ', "a"),
        ("# id = 'b'\n  id='a-1' # x\n[", "a-1"),
        ('[step.a]\nid = "x"\n', ""),
        ("id = 3", ""),
        ("", ""),
    ],
)
def test_an_id_is_found_in_what_cant_be_read(text, found):
    assert written_id(text) == found

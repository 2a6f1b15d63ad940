"""The step graph of a text, right or wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.definitions.outline import Outline, StepEdge, outline
from tests.unit.definitions.worlds import HEADER, examples, load

TWO = """
[step.a]
type = "email"
description = "first"

[step.b]
type = "agent"
depends = ["a", "gone", "{config.other}"]
condition = "steps.a.documents > 0"
on_error = "fatal"
always_run = true

[step.b.config]
description = "second"

[config]
other = "b"
"""


def shape(found: Outline) -> list[tuple[str, str, tuple[str, ...], int]]:
    return [(step.name, step.type, step.depends, step.line) for step in found.steps]


def test_steps_and_what_they_depend_on():
    found = outline(TWO)

    assert shape(found) == [("a", "email", (), 2), ("b", "agent", ("a", "gone", "b"), 6)]
    assert found.edges == (StepEdge(source="a", target="b"), StepEdge(source="b", target="b"))
    b = found.steps[1]
    assert (b.position, b.description, b.condition) == (1, "second", "steps.a.documents > 0")
    assert (b.on_error, b.always_run) == ("fatal", True)


@pytest.mark.parametrize("example", examples())
def test_it_says_of_an_example_what_the_definition_says(example):
    definition = load(examples()[example]).definition
    found = outline(examples()[example])

    assert [(s.name, s.type, s.position, s.depends, s.condition) for s in found.steps] == [
        (s.name, s.type, s.position, s.depends, s.condition) for s in definition.steps
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\x00", []),
        ("step = 3", []),
        ("[[step]]\na = 1", []),
        ("step.a = 3\nstep.b.type = 'x'", [("b", "x", (), 2)]),
        ("[step.a]\ntype = 3\ndepends = { a = 1 }", [("a", "", (), 1)]),
        ("[step.a]\ndepends = 'b,, c , b'", [("a", "", ("b", "c"), 1)]),
        ("start_urls = ['x']", [("crawl", "crawler", (), 1)]),
    ],
)
def test_what_is_no_step_is_none(text, expected):
    assert shape(outline(text)) == expected


@pytest.mark.parametrize(
    ("fault", "depends"),
    [
        ("depends = [", ()),
        ('depends = ["a"]\nprompt = "no end', ("a",)),
        ('depends = "a"\nprompt = """\n' + "many words\n" * 50, ("a",)),
        ('depends = "a"\ndepends = "b"', ("a",)),
        ("type", ()),
        ("[", ()),
    ],
)
def test_one_fault_hides_no_other_step(fault, depends):
    text = f"id = \n[step.a]\ntype = 'x'\n\n[step.b]\n{fault}\n[step.c]\ntype = 'z'\ndepends = 'b'\n[step.a.retry]\n"

    found = outline(text)

    assert [(step.name, step.depends) for step in found.steps] == [("a", ()), ("b", depends), ("c", ("b",))]
    assert found.steps[2].line == text[: text.index("[step.c]")].count("\n") + 1


@given(st.data())
def test_no_beginning_of_a_text_is_too_much_for_it(data: st.DataObject):
    text = HEADER + TWO + data.draw(st.sampled_from(sorted(examples().values())))
    at = data.draw(st.integers(0, len(text)))
    noise = data.draw(st.text("[]{}\"'=.\n#a\\\x00", max_size=6))

    outline(text[:at] + noise + text[at:])

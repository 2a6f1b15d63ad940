"""The grammar of conditions, and what they make of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.definitions.conditions import ConditionError, ConditionView, parse_condition

VIEW = ConditionView(
    statuses={"fetch": "completed", "2nd": "failed"},
    documents={"fetch": 3},
    config={"mode": "full", "n": 2, "flag": True, "off": False, "a": {"b": 1}, "names": [], "a-b": "x"},
)


@pytest.mark.parametrize(
    "text",
    [
        'steps.fetch.status == "completed"',
        "steps.fetch.status != 'failed'",
        "steps.fetch.documents > 0",
        "steps.fetch.documents>=3 and steps.fetch.documents<=3.0",
        "steps.2nd.status == 'failed'",
        "steps.unseen.documents == 0",
        "config.flag",
        "not config.off",
        "not config.missing",
        "not not true",
        "config.a.b == 1",
        "config.a-b == 'x'",
        "false or true and true",
        "not (false or false)",
        "not false and true",
        "(1 < 2) == true",
        "'abc' < 'abd'",
        "-1.5 < 0",
        "config.missing != 1",
        "config.missing != config.missing",
        "config.n != '2'",
        "config.flag != 1",
        "not config.names",
    ],
)
def test_a_condition_holds(text):
    assert parse_condition(text).evaluate(VIEW) is True


@pytest.mark.parametrize(
    "text",
    [
        "steps.fetch.documents > 3",
        "steps.unseen.status == 'completed'",
        "config.missing",
        "config.missing == config.missing",
        "config.missing < 1",
        "config.mode < 3",
        "config.n == '2'",
        "config.a < config.a",
        "true and not true",
        "(true or true) and false",
        "config.mode.deeper",
        "''",
        "0",
    ],
)
def test_a_condition_does_not_hold(text):
    assert parse_condition(text).evaluate(VIEW) is False


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("steps.fetch.documents >", 24),
        ("steps.fetch.documents", None),
        ("steps.fetch.size > 1", 1),
        ("steps.Fetch.status == 'x'", 1),
        ("config. == 1", 1),
        ("(true", 6),
        ("true)", 5),
        ("true false", 6),
        ("1 < 2 < 3", 7),
        ("true & false", 6),
        ("config.a = 1", 10),
        ("'open", 1),
        ("  fetch", 3),
        ("__import__('os')", 1),
        ("1x", 1),
    ],
)
def test_a_mistake_is_told_with_its_column(text, column):
    if column is None:
        parse_condition(text)
        return

    with pytest.raises(ConditionError) as caught:
        parse_condition(text)

    assert caught.value.column == column


def test_a_condition_tells_which_steps_and_config_it_reads():
    condition = parse_condition(
        "steps.a.documents > 0 and (config.x.y or steps.b.status == 'failed') or steps.a.status"
    )

    assert condition.steps == ("a", "b")
    assert condition.config_keys == ("x.y",)


@pytest.mark.parametrize("text", ["(" * 60 + "true" + ")" * 60, "not " * 60 + "true"])
def test_nesting_has_an_end(text):
    with pytest.raises(ConditionError, match="deep"):
        parse_condition(text)


TRUTHS = st.recursive(
    st.sampled_from(["true", "false", "config.flag", "config.off", "(1 < 2)", "('a' == 'b')"]),
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=12,
)


@given(TRUTHS)
def test_and_or_not_mean_what_they_mean_in_python(text):
    meaning = text
    for word, value in [("config.flag", "True"), ("config.off", "False"), ("true", "True"), ("false", "False")]:
        meaning = meaning.replace(word, value)

    assert parse_condition(text).evaluate(VIEW) == bool(eval(meaning))


@given(st.text("stepconfig.()<>=!'\"andornot 01_x", max_size=20))
def test_no_text_does_worse_than_a_condition_error(text):
    try:
        parse_condition(text).evaluate(VIEW)
    except ConditionError as error:
        column = error.column
    else:
        column = 1

    assert 1 <= column <= len(text) + 1

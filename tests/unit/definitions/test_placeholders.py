"""Placeholders: exact patterns only, two phases, literal braces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.definitions.placeholders import (
    KeyValue,
    Reference,
    Unresolved,
    escape,
    find,
    find_in,
    find_key,
    payload_fields,
    resolve,
    resolve_config,
    resolve_payload,
    unresolved,
)

CONFIG = {
    "n": 3,
    "on": True,
    "list": ["a", "b"],
    "table": {"deep": {"x": 1.5}},
    "secretive": "key {token}",
    "outer": "<{config.secretive}>",
    "loop": "{config.loop}",
    "ping": "{config.pong}",
    "pong": "{config.ping}",
    "empty": "",
}
TEXTS = st.lists(
    st.sampled_from(
        ["{", "}", "{{", "}}", "a", " ", "{a}", "{config.n}", "{config.list}", "{env.X}", "{config.no}", '"']
    )
).map("".join)
JSON = st.recursive(
    st.one_of(st.integers(), st.text("ab {}", max_size=2).filter(lambda t: "{" not in t), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("ab :", max_size=3), inner, max_size=3)
    ),
)


def known(reference: Reference) -> str:
    return f"<{reference.kind}:{reference.name}>"


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("{a}", ["{a}"]),
        ("x{a-1_B}y{a-1_B}{c}", ["{a-1_B}", "{c}"]),
        ("{config.a.b} {env.HOME}", ["{config.a.b}", "{env.HOME}"]),
        ("{{a}}", []),
        ("{{{a}}}", ["{a}"]),
        ("{} { a } {a b} {a:b} {a.b} {payload.host} {config.} {env.1}", []),
        ('{"a": {"b": "{c}"}}', ["{c}"]),
        ("{a", []),
    ],
)
def test_only_exact_patterns_are_placeholders(text, references):
    assert [str(reference) for reference in find(text)] == references


def test_references_are_found_through_lists_and_tables():
    assert find_in({"{k}": ["{a}", {"x": "{env.B}"}, 1, None]}) == (Reference("key", "a"), Reference("env", "B"))


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("{config.n}", 3),
        ("{config.on}", True),
        ("{config.list}", ["a", "b"]),
        ("{config.table.deep.x}", 1.5),
        ("{config.empty}", ""),
        ("{config.empty}{config.n}", "3"),
        ("n={config.n}, on={config.on}, {config.list}", 'n=3, on=true, ["a", "b"]'),
        ("{config.no} {a} {env.X}", "{config.no} {a} {env.X}"),
        ("{{config.n}}", "{{config.n}}"),
        ("{config.outer}", "<key {token}>"),
        ("{config.loop}", "{config.loop}"),
        (["{config.n}", {"k": "{config.n}"}], [3, {"k": 3}]),
        (7, 7),
    ],
)
def test_config_keeps_its_type_where_it_is_the_whole_text(value, result):
    assert resolve_config(value, CONFIG) == result


def test_config_that_leads_back_to_itself_stays_unresolved():
    assert find(resolve_config("{config.ping}", CONFIG))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{a}", "<key:a>"),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{<key:a>}"),
        ("{{ not a key }}", "{ not a key }"),
        ("x {env.B} y", "x <env:B> y"),
        ('{"a": {"b": {"c": "{d}"}}}', '{"a": {"b": {"c": "<key:d>"}}}'),
        ('{{"a": {{"b": 1}}}}', '{"a": {"b": 1}}'),
        ("a }} b", "a }} b"),
    ],
)
def test_the_second_phase_replaces_and_makes_doubled_braces_single(text, result):
    assert resolve(text, known) == result


def test_what_was_put_in_is_not_read_again():
    assert resolve("{a}", lambda _: "{{b}} {c}") == "{{b}} {c}"


def test_raw_switches_replacement_off():
    assert resolve(["{a} {{b}}"], known, raw=True) == ["{a} {{b}}"]


def test_an_unknown_placeholder_is_an_error_in_the_second_phase():
    def nothing(reference: Reference) -> str:
        raise Unresolved(reference)

    with pytest.raises(Unresolved, match=r"\{env\.X\}"):
        resolve({"a": ["{env.X}"]}, nothing)


def test_unresolved_tells_which_placeholders_have_no_value():
    assert unresolved("{a} {b} {env.C}", lambda r: r.name == "a") == (Reference("key", "b"), Reference("env", "C"))


@given(TEXTS)
def test_resolving_config_twice_is_resolving_it_once(text):
    once = resolve_config(text, CONFIG)

    assert resolve_config(once, CONFIG) == once


@given(TEXTS)
def test_the_first_phase_leaves_escaped_texts_as_they_are(text):
    assert resolve_config(escape(text), CONFIG) == escape(text)


@given(st.text())
def test_an_escaped_text_comes_back_whole(text):
    assert resolve(resolve_config(escape(text), CONFIG), known) == text


@given(TEXTS)
def test_an_escaped_text_with_placeholders_comes_back_whole(text):
    assert resolve(escape(text), known) == text


@given(JSON)
def test_json_survives_both_phases(value):
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":")), json.dumps(value, indent=1)):
        assert resolve(resolve_config(text, CONFIG), known) == text


@given(st.lists(st.sampled_from(["a ", "{{x}} ", "{config.n} ", "{k} ", '{"j": 1} '])).map("".join))
def test_two_phases_give_what_one_would(text):
    def both(reference: Reference) -> str:
        return "3" if reference.kind == "config" else known(reference)

    assert resolve(str(resolve_config(text, CONFIG)), known) == resolve(text, both)


def test_an_api_key_is_looked_up_in_the_environment_then_the_store_then_config():
    where = {"environment": {"MY_API_KEY": "e"}, "stored": {"my_api_key": "s"}.get, "config": {"my_api_key": "c"}}

    assert find_key("my_api_key", **where) == KeyValue("e", "environment")
    assert find_key("my_api_key", **{**where, "environment": {}}) == KeyValue("s", "store")
    assert find_key("my_api_key", **{**where, "environment": {}, "stored": {}.get}) == KeyValue("c", "config")


def test_another_name_is_looked_up_in_the_store_only():
    where = {"environment": {"DESK": "e"}, "config": {"desk": "c"}}

    assert find_key("desk", stored={}.get, **where) is None
    assert find_key("desk", stored={"desk": "s"}.get, **where) == KeyValue("s", "store")


def test_limit_keys_read_fields_of_the_payload():
    assert payload_fields("{payload.host}/{payload.user.id}") == ("host", "user.id")
    assert resolve_payload("{payload.host}/{payload.no}", {"host": "h"}) == "h/"


@pytest.mark.parametrize("text", ["{host}", "{payload}", "{payload.}", "{config.x}", "a}", "{"])
def test_limit_keys_know_no_other_braces(text):
    with pytest.raises(ValueError, match="payload"):
        payload_fields(text)

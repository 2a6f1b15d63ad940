"""What an editor offers is what the checks accept."""

from __future__ import annotations

import msgspec
import pytest

from quaero.definitions.header import TOP_KEYS
from quaero.definitions.schema import CONFIG, ERROR_TOLERANCE, LIMITS, RETRY, STEP, TOP, Key, definition_schema
from quaero.definitions.steps import STEP_KEYS
from tests.unit.definitions.worlds import AGENT_TYPES, CATALOG, HEADER, load

SAMPLES = {
    "text": "''",
    "list of texts": "[]",
    "list of texts, or one with commas": "[]",
    "true or false": "true",
    "whole number": "1",
    "number": "1",
    "duration": '"1m"',
    "table": "{}",
    "array of tables": "[]",
}
MAIL = '[step.mail]\ntype = "email"\nto = "x"\n'


def test_every_key_is_offered_and_no_other():
    assert {key.name for key in TOP} == TOP_KEYS
    assert {key.name for key in STEP} == STEP_KEYS


def test_every_key_has_a_word_on_it_and_stands_once():
    for table in (TOP, CONFIG, ERROR_TOLERANCE, STEP, RETRY, LIMITS):
        assert len({key.name for key in table}) == len(table)
        assert all(key.description for key in table)


def faults(top: str = "", step: str = "") -> list[str]:
    return [str(f) for f in load(HEADER + top + MAIL + step).findings if f.code in {"JD012", "JD013", "JD032", "JD040"}]


def values(key: Key) -> list[str]:
    if key.name == "rate":
        return ['"1/s"']
    return [f'"{value}"' for value in key.values] or [SAMPLES[key.type]]


@pytest.mark.parametrize("table", ["config", "error_tolerance"])
def test_the_checks_accept_what_is_offered_for_a_table(table):
    for key in {"config": CONFIG, "error_tolerance": ERROR_TOLERANCE}[table]:
        for value in values(key):
            assert faults(f"[{table}]\n{key.name} = {value}\n") == []


def test_the_checks_accept_what_is_offered_at_the_top_and_for_steps():
    for key in TOP:
        if key.name not in {"id", "name", "step", "start_urls", "include_patterns", "exclude_patterns"} and (
            key.default is not None or key.type == "table"
        ):
            for value in values(key):
                assert faults(f"{key.name} = {value}\n") == []
    for key in STEP:
        if key.name != "type":
            for value in values(key):
                assert faults(step=f"{key.name} = {value}\n") == []
    for name, table in (("retry", RETRY), ("limits", LIMITS)):
        for key in table:
            for value in values(key):
                assert faults(step=f"[step.mail.{name}]\n{key.name} = {value}\n") == []


def test_defaults_are_those_of_an_empty_definition():
    definition = load(HEADER + MAIL).definition
    for key in TOP:
        if key.default not in (None, "") and key.type != "duration":
            assert getattr(definition, key.name, key.default) == key.default, key.name
    for key in CONFIG[:3]:
        assert getattr(definition, key.name) == key.default
    for key in ERROR_TOLERANCE:
        assert getattr(definition.tolerance, key.name) == key.default


def test_workers_come_with_their_parameters():
    schema = definition_schema(CATALOG, AGENT_TYPES)

    data = msgspec.json.decode(msgspec.json.encode(schema, enc_hook=str))
    [folder] = [worker for worker in data["workers"] if worker["type"] == "local_dir"]
    [path] = [key for key in folder["parameters"] if key["name"] == "dir_path"]
    assert (path["required"], path["aliases"]) == (True, ["path"])
    assert folder["schema"]["properties"]["max_files"]["default"] == 10_000
    assert data["agent_types"] == sorted(AGENT_TYPES)
    assert "{config.NAME}" in [form["form"] for form in data["placeholders"]]

"""What is needed around runs: checking definitions, keys, worker types, the doctor, help."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import pytest

from quaero import __version__
from tests.e2e.command import load_step

EXAMPLES = sorted((Path(__file__).parents[1] / "unit" / "definitions" / "examples").glob("*.toml"))
SELF_INDEX = Path(__file__).parents[2] / "examples" / "self-index.toml"


def test_a_good_definition_is_valid_and_no_data_folder_is_made(quaero):
    result = quaero("validate", quaero.define(load_step()))

    assert result.stderr == "1 file: 0 errors, 0 warnings\n"
    assert not quaero.data.exists()


def test_findings_have_file_line_and_column(quaero):
    file = quaero.define(load_step(worker_cont=3) + '[step.b]\ntype = "test_job_generater"\n')

    found = quaero.ask("validate", file, code=2)

    assert found["next"] is None
    assert [(f["code"], f["severity"], f["line"], f["column"], f["key"]) for f in found["items"]] == [
        ("JD013", "warning", 10, 1, "step.load.worker_cont"),
        ("JD011", "error", 12, 1, "step.b.type"),
    ]
    assert "test_job_generator" in found["items"][1]["hint"]
    assert f"{file}:12:1: error JD011: " in quaero("validate", file, code=2).stdout


def test_warnings_count_only_when_strict(quaero):
    file = quaero.define(load_step(worker_cont=3))

    quaero.here("validate", file)
    quaero.here("validate", file, "--strict", code=2)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_of_the_specification_lacks_nothing_but_workers_that_are_not_built(quaero, example):
    found = quaero.ask("validate", example, code=2)["items"]

    assert {f["code"] for f in found if f["severity"] == "error"} == {"JD011"}
    assert all("is not available here" in f["message"] for f in found if f["severity"] == "error")


def test_the_shipped_example_is_valid(quaero):
    assert quaero.ask("validate", SELF_INDEX, "--strict") == {"items": [], "next": None}


def test_files_are_checked_together(quaero):
    one = quaero.define('post_jobs = ["b"]\n' + load_step(), "a")
    two = quaero.define(load_step(), "b")

    quaero.here("validate", one, two)
    alone = quaero.ask("validate", one, code=2)
    missing = quaero.ask("validate", one, quaero.folder / "nosuch.toml", code=2)

    assert [f["code"] for f in alone["items"]] == ["JD042"]
    assert (str(quaero.folder / "nosuch.toml"), "there is no such file") in [
        (f["file"], f["message"]) for f in missing["items"]
    ]


def test_keys_are_set_listed_and_deleted_and_never_shown(quaero):
    quaero("keys", "set", "token", stdin="hidden-value\n")
    quaero("keys", "set", "site", "--plain", stdin="example.org")

    listed = quaero.ask("keys", "list")

    assert listed == {
        "items": [{"name": "site", "secret": False}, {"name": "token", "secret": True}],
        "next": None,
    }
    assert "hidden" not in quaero("keys", "list").stdout
    quaero.here("keys", "delete", "token")
    assert "no key 'token'" in quaero.refusal("keys", "delete", "token")
    assert "letters" in quaero.refusal("keys", "set", "a b")


def test_a_stored_key_is_known_to_validate(quaero):
    file = quaero.define('[step.a]\ntype = "agent"\nagent_type = "keyword_extractor"\ninputs = ["a"]\nmodel = "{m}"\n')
    before = quaero.ask("validate", file)
    quaero("keys", "set", "m", stdin="value")
    after = quaero.ask("validate", file)

    assert [f["code"] for f in before["items"]].count("JD050") == 1
    assert "JD050" not in [f["code"] for f in after["items"]]


def test_worker_types_are_listed_and_described(sample):
    listed = {worker["type"]: worker for worker in sample.json("workers", "list")["items"]}
    shown = sample.ask("workers", "show", "local_dir")
    text = sample("workers", "show", "local_dir").stdout

    assert {"agent", "local_dir", "test_job_generator", "sample_note"} <= set(listed)
    [path] = [p for p in shown["parameters"] if p["name"] == "dir_path"]
    assert path["required"]
    assert path["aliases"] == ["path"]
    assert path["description"].startswith("The folder")
    assert shown["schema"]["properties"]["max_files"]["minimum"] == 1
    assert "[step.index]" in text
    assert "did you mean local_dir" in sample.refusal("workers", "show", "local_dri")
    assert not sample.data.exists()


def test_the_doctor_finds_nothing_where_all_is_well(finished):
    report = finished.json("doctor")

    assert report["ok"]
    found = {check["name"]: check for check in report["checks"]}
    assert found["counter drift"]["value"] == 0
    assert found["open runs"]["value"] == "none"
    assert found["settings"]["value"]["data"]["origin"] == "environment QUAERO_DATA"
    assert "local_dir" in found["worker types"]["value"]


def test_the_doctor_works_before_there_is_anything(quaero):
    assert quaero.ask("doctor")["ok"]
    assert not quaero.data.exists()


def test_the_doctor_names_what_is_wrong_and_the_fix(quaero):
    quaero("keys", "set", "token", stdin="value")
    (quaero.data / "secret.key").unlink()
    with sqlite3.connect(quaero.data / "quaero.db") as db:
        db.execute("INSERT INTO facts VALUES ('drift', '2')")
    with quaero.started("worker") as worker:
        worker.wait_for("executes the runs")
        worker.signal(signal.SIGKILL)
        worker.end()

    report = quaero.json("doctor", code=1)

    wrong = {check["name"]: check["fix"] for check in report["checks"] if not check["ok"]}
    assert set(wrong) == {"key token", "counter drift", "process 1"}
    assert "quaero keys set token" in wrong["key token"]
    assert "→" in quaero.here("doctor", code=1).stdout


def test_the_doctor_shows_a_setting_that_cannot_be_used(quaero):
    quaero.data.mkdir()
    (quaero.data / "quaero.toml").write_text("[engine]\nslotz = 3\n")

    assert "did you mean slots?" in quaero("doctor", code=1).stdout
    assert "did you mean slots?" in quaero.refusal("jobs", "list")


def test_a_data_folder_that_cannot_be_made_is_told_in_one_line(quaero):
    result = quaero("--data", "/proc/quaero", "jobs", "list", code=1)

    assert result.stderr.count("\n") == 1
    assert "choose another with --data" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_folder_that_cannot_be_written_is_told_in_one_line(quaero):
    quaero.data.mkdir(mode=0o500)

    result = quaero("jobs", "list", code=1)

    assert "can't be written" in result.stderr


def test_data_goes_before_the_environment_on_either_side_of_the_command(quaero):
    for words in (("--data", "other", "keys", "list"), ("keys", "list", "--data=other")):
        quaero(*words)

    assert (quaero.folder / "other").is_dir()
    assert not quaero.data.exists()


def test_version_and_help_are_on_standard_output(quaero):
    assert quaero("--version").stdout.strip() == __version__
    text = quaero("--help").stdout
    assert all(command in text for command in ("run", "validate", "keys", "jobs", "logs", "docs", "worker", "doctor"))
    assert "tag:name" in quaero("docs", "search", "--help").stdout
    assert quaero("jobs").stdout.startswith("Usage: quaero jobs")


def test_a_package_whose_worker_cannot_be_loaded_is_named(sample):
    (sample.folder / "site" / "quaero_sample.py").write_text("")

    told = sample("workers", "list", code=2).stderr

    assert "worker 'sample_note' of package" in told
    assert "quaero" in told


def test_an_unknown_command_exits_2(quaero):
    assert 'Unknown command "runn"' in quaero("runn", code=2).stderr

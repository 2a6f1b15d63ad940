"""A secret that a worker tells to everyone is read by nobody: not in output, not in any file."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.e2e.command import Quaero, note_step, with_sample

SECRET = "sk-Xq7/very+Secret&9"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The sample package after two runs of a worker that puts the key wherever it can; half of its jobs fail."""
    folder = tmp_path_factory.mktemp("told")
    sample = Quaero(folder, with_sample(folder / "site"))
    sample("keys", "set", "my_token", stdin=f"{SECRET}\n")
    listed = sample.folder / "broken"
    listed.write_text("bad")
    definition = sample.define(note_step(items=["good", "bad"], token="{my_token}", fail_while=listed))
    outputs = [sample("run", definition), sample("run", definition, "--json")]
    return sample, outputs


def test_a_secret_is_in_no_output(told):
    sample, outputs = told
    run = outputs[1].data["id"]
    jobs = sample.here("jobs", "list", "--parent", run + 1, "--json")
    outputs = [*outputs, sample.here("jobs", "show", run)]
    outputs += [
        jobs,
        sample("logs", run),
        sample.here("logs", run, "--json"),
        sample.here("docs", "search", "Written", "--json"),
    ]
    outputs += [sample.here("jobs", "show", job["id"], "--json") for job in jobs.data["items"]]
    outputs += [sample.here("docs", "show", doc["id"], "--json") for doc in sample.ask("docs", "list")["items"]]
    outputs.append(sample.here("doctor", "--json"))

    assert not [o for o in outputs if SECRET in o.stdout + o.stderr]
    assert "***" in sample.here("logs", run).stdout


def test_the_worker_had_the_secret_all_the_same(told):
    sample, _ = told

    lines = sample.ask("logs", 1)["items"]

    [begun] = [line for line in lines if line["message"] == "note.begun" and line["fields"]["item"] == "good"]
    assert begun["fields"]["token"] == "***"


def test_a_job_record_keeps_the_placeholder(told):
    sample, _ = told

    jobs = sample.ask("jobs", "list", "--parent", 2)["items"]

    assert {job["config"]["token"] for job in jobs} == {"{my_token}"}


def test_a_secret_is_in_no_file_of_the_data_folder(told):
    sample, _ = told
    forms = (SECRET.encode(), b64encode(SECRET.encode()))

    files = [path for path in sample.data.rglob("*") if path.is_file()]

    assert len(files) >= 3
    assert not [path for path in files for form in forms if form in path.read_bytes()]


def test_a_missing_key_fails_the_step_and_names_it(sample):
    definition = sample.define(note_step(token="{nosuch}"))

    result = sample("run", definition, code=1)

    assert "JD050" in result.stderr
    assert "quaero keys set nosuch" in result.stdout

"""``quaero jobs``: looking at runs, and doing them again."""

from __future__ import annotations

import pytest

from tests.e2e.command import Quaero, load_step, note_step, statuses, steps_of, with_sample

COUNTERS = {"total", "pending", "running", "completed", "failed", "cancelled", "skipped", "retried"}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The sample package and a run: ``note`` failed for two of three items, ``after`` and ``other`` completed."""
    folder = tmp_path_factory.mktemp("broken")
    sample = Quaero(folder, with_sample(folder / "site"))
    listed = folder / "broken"
    listed.write_text("b c")
    sample(
        "run",
        sample.define(
            note_step(items=["a", "b", "c"], fail_while=listed)
            + load_step("after", extra=['depends = "note"'])
            + load_step("other", document=True)
        ),
        "--quiet",
    )
    listed.unlink()
    return sample


def test_a_list_of_runs_has_pages(sample):
    file = sample.define('[config]\noverlap = "allow"\n' + load_step())
    for _ in range(2):
        sample("run", file, "--quiet")

    first = sample.ask("jobs", "list", "--limit", 1)
    second = sample.ask("jobs", "list", "--limit", 1, "--cursor", first["next"])

    assert second["next"] is None
    assert first["items"][0]["id"] > second["items"][0]["id"] == 1


def test_children_are_listed_by_status(finished):
    step = steps_of(finished.ask("jobs", "show", 1))["first"]

    failed = finished.ask("jobs", "list", "--parent", step["id"], "--status", "failed")["items"]

    assert len(failed) == step["counters"]["failed"] == 1
    assert failed[0]["error"]["type"] == "TransientError"


def test_every_kind_of_job_can_be_shown(finished):
    run = finished.ask("jobs", "show", 1)
    step = finished.ask("jobs", "show", steps_of(run)["first"]["id"])
    [failed] = finished.ask("jobs", "list", "--parent", step["id"], "--status", "failed")["items"]
    worker = finished.ask("jobs", "show", failed["id"])

    assert [run["kind"], step["kind"], worker["kind"]] == ["manager", "step", "worker"]
    assert set(run["counters"]) == set(step["counters"]) == COUNTERS
    assert worker["config"]["key"].startswith("job-")
    assert [attempt["outcome"] for attempt in worker["attempts"]] == ["failed"]
    for job_id in (1, step["id"], worker["id"]):
        assert finished.here("jobs", "show", job_id).stdout


def test_a_worker_job_shows_its_payload_and_error_as_text(finished):
    [failed] = finished.ask("jobs", "list", "--parent", 2, "--status", "failed")["items"]

    text = finished("jobs", "show", failed["id"]).stdout

    assert '"key": "job-' in text
    assert "fails by its seed" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "99"], "no job 99; quaero jobs list shows the runs"),
        (["list", "--parent", "99"], "no job 99"),
        (["cancel", "1"], "run 1 has ended"),
        (["pause", "1"], "run 1 has ended"),
        (["resume", "1"], "quaero jobs rerun"),
        (["cancel", "2"], "job 2 is a step job; cancel its run, 1"),
        (["resume-from", "1", "secnd"], "did you mean second?"),
        (["list", "--status", "done"], "done"),
        (["shwo", "1"], 'Did you mean "show"?'),
    ],
)
def test_what_cannot_be_done_exits_2_and_says_why(finished, arguments, says):
    assert says in finished.refusal("jobs", *arguments)


def test_retry_failed_does_the_failed_jobs_and_what_lies_behind_them(broken):
    run = broken.json("jobs", "retry-failed", 1, "--run")

    steps = steps_of(run)
    assert run["rerun_of"] == 1
    assert steps["note"]["counters"]["total"] == 2
    assert steps["after"]["counters"]["completed"] == 3
    assert (steps["other"]["status_reason"], steps["other"]["counters"]["total"]) == ("reused", 0)
    assert run["status"] == "completed"
    assert not run["has_errors"]
    # the documents of what was taken over are documents of the new run
    assert run["document_count"] == len(broken.ask("docs", "list", "--run", run["id"])["items"]) == 3 + 3
    assert "nothing failed" in broken.refusal("jobs", "retry-failed", run["id"])


def test_resume_from_takes_over_the_steps_before(broken):
    run = broken.json("jobs", "resume-from", 1, "after", "--run")

    steps = steps_of(run)
    assert statuses(run) == dict.fromkeys(("note", "after", "other"), "completed")
    assert {name: step["status_reason"] for name, step in steps.items()} == {
        "note": "reused",
        "after": None,
        "other": "reused",
    }
    assert steps["after"]["counters"]["total"] == 3


def test_rerun_only_creates_the_run_and_prints_its_id(broken):
    new_id = int(broken("jobs", "rerun", 1).stdout)
    waiting = broken.ask("jobs", "show", new_id)
    refused = broken.refusal("jobs", "rerun", 1)
    done = broken.json("run", "--resume", new_id)

    assert waiting["status"] == "pending"
    assert f"run {new_id} of 't' is still active" in refused
    assert steps_of(done)["note"]["counters"]["completed"] == 3

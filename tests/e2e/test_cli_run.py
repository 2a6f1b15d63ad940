"""``quaero run``: what it says, what it leaves, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command import load_step, note_step, statuses, steps_of

SELF_INDEX = Path(__file__).parents[2] / "examples" / "self-index.toml"
BROKEN = '[step.a]\ntype = "test_job_generator"\nworker_count = "x"\ndepends = "nowhere"\n'


def test_a_run_that_completes_exits_0_and_says_so(quaero):
    result = quaero("run", quaero.define(load_step()))

    assert "completed" in result.stdout
    assert "3/3" in result.stdout
    assert "step load completed: 3 completed" in result.stderr


def test_a_run_with_some_failed_jobs_is_completed_with_errors_and_names_one(quaero):
    result = quaero("run", quaero.define(load_step(worker_count=10, failure_rate=0.3)))

    assert "completed with errors" in result.stdout
    assert "TransientError: job-" in result.stdout
    assert "jobs retry-failed 1" in result.stdout


def test_a_run_whose_jobs_all_fail_exits_1(quaero):
    run = quaero.json("run", quaero.define(load_step(failure_rate=1.0)), code=1)

    assert run["status"] == "failed"
    assert run["counters"] == {
        "total": 3,
        "pending": 0,
        "running": 0,
        "completed": 0,
        "failed": 3,
        "cancelled": 0,
        "skipped": 0,
        "retried": 0,
    }


def test_json_is_one_document_the_manager_job(quaero):
    run = quaero.json("run", quaero.define(load_step()))

    assert {"id": 1, "kind": "manager", "status": "completed", "status_reason": None, "has_errors": False}.items() <= (
        run.items()
    )
    assert run["finished_at"].endswith("Z")
    assert statuses(run) == {"load": "completed"}


def test_every_finding_is_told_at_its_place_and_nothing_is_made(quaero):
    file = quaero.define(BROKEN)

    result = quaero("run", file, code=2)

    lines = result.stderr.splitlines()
    assert [line.removeprefix(f"{file}:").split(": ")[:2] for line in lines] == [
        ["5:1", "error JD012"],
        ["6:1", "error JD020"],
    ]
    assert quaero.ask("jobs", "list") == {"items": [], "next": None}


def test_warnings_are_told_and_the_run_goes_on(quaero):
    result = quaero("run", quaero.define(load_step(wrker_count=4)), "--quiet")

    assert "warning JD013" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "quaero run FILE"),
        (["run", "no.toml"], "no.toml: there is no such file"),
        (["run", "--resume"], "no interrupted run"),
        (["run", "--resume", "7"], "no run 7"),
        (["run", "t.toml", "--set", "novalue"], "write --set key=value"),
        (["run", "t.toml", "--colour"], "--colour"),
    ],
)
def test_what_cannot_be_used_exits_2_and_says_why(quaero, monkeypatch, arguments, says):
    monkeypatch.chdir(quaero.folder)
    quaero.define(load_step())

    assert says in quaero.refusal(*arguments)


def test_set_goes_into_config(quaero):
    file = quaero.define(
        '[config]\njobs = 1\n[step.a]\ntype = "test_job_generator"\nlog_count = 0\nfailure_rate = 0\n'
        'recursion_depth = 0\nworker_count = "{config.jobs}"\n'
    )

    run = quaero.json("run", file, "--set", "jobs=4")

    assert run["counters"]["total"] == 4


def test_relative_paths_start_at_the_folder_of_the_file(quaero):
    (quaero.folder / "notes").mkdir()
    (quaero.folder / "notes" / "a.md").write_text("# Alpha\n")
    file = quaero.define('[step.a]\ntype = "local_dir"\ndir_path = "notes"\n')

    run = quaero.json("run", file.name)

    assert run["document_count"] == 1
    assert quaero.ask("docs", "list")["items"][0]["title"] == "Alpha"


def test_the_shipped_example_classifies_and_reads_again_only_what_changed(quaero):
    notes = quaero.folder / "notes"
    notes.mkdir()
    (notes / "lease.md").write_text("# Lease\n\nA lease ends a process's claim.\n")
    (notes / "test_a.py").write_text("def test_a():\n    assert True\n")

    first = quaero.json("run", SELF_INDEX, "--set", f"dir={notes}")
    (notes / "lease.md").write_text("# Lease\n\nRenewed.\n")
    quaero("run", SELF_INDEX, "--set", f"dir={notes}", "--quiet")

    revisions = {doc["title"]: doc["revision"] for doc in quaero.ask("docs", "list")["items"]}
    assert statuses(first) == dict.fromkeys(("files", "classify", "keywords"), "completed")
    assert revisions == {"Lease": 2, "test_a.py": 1}
    assert [hit["title"] for hit in quaero.ask("docs", "search", "tag:category:test")["items"]] == ["test_a.py"]


def test_what_a_worker_prints_is_not_in_the_json(sample):
    module = sample.folder / "site" / "quaero_sample.py"
    module.write_text(module.read_text().replace("    job.log.info(", '    print("loud")\n    job.log.info(', 1))

    result = sample("run", sample.define(note_step()), "--json")

    assert result.data["status"] == "completed"
    assert "loud" in result.stderr


def test_a_second_run_is_refused_while_the_first_is_active(sample):
    gate = sample.folder / "gate"
    file = sample.define(note_step(wait_for=gate))
    with sample.started("run", file) as first:
        first.wait_for("step note running")

        refused = sample("run", file, code=2)
        gate.touch()
        ended = first.end()

    assert "run 1 of 't' is still active" in refused.stderr
    assert ended.code == 0
    assert sample.newest_run()["id"] == 1


def test_with_overlap_allow_two_runs_of_one_definition_go_side_by_side(sample):
    gate = sample.folder / "gate"
    file = sample.define('[config]\noverlap = "allow"\n' + note_step(wait_for=gate))
    with sample.started("run", file) as first, sample.started("run", file) as second:
        first.wait_for("step note running")
        second.wait_for("step note running")
        gate.touch()

        assert (first.end().code, second.end().code) == (0, 0)


def test_with_overlap_queue_the_second_run_waits_for_the_first(sample):
    gate = sample.folder / "gate"
    file = sample.define('[config]\noverlap = "queue"\n' + note_step(wait_for=gate))
    with sample.started("run", file) as first:
        first.wait_for("step note running")
        with sample.started("run", file) as second:
            second.wait_for("waiting for run 1")
            waiting = sample.newest_run()
            gate.touch()

            assert (first.end().code, second.end().code) == (0, 0)

    assert waiting["status"] == "pending"


def test_pre_and_post_jobs_run_with_their_own_run(quaero):
    library = quaero.data / "definitions"
    library.mkdir(parents=True, mode=0o700)
    for name in ("before", "after"):
        (library / f"{name}.toml").write_text(f'id = "{name}"\nname = "{name}"\n{load_step()}')

    run = quaero.json("run", quaero.define('pre_jobs = ["before"]\npost_jobs = ["after"]\n' + load_step()))

    runs = {job["definition_id"]: job for job in quaero.ask("jobs", "list")["items"]}
    assert {name: job["status"] for name, job in runs.items()} == dict.fromkeys(("t", "before", "after"), "completed")
    assert runs["before"]["parent_id"] == steps_of(run)["pre_jobs"]["id"]

"""``quaero docs`` and ``quaero logs``: what a run leaves behind."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.command import QUAERO, load_step, note_step, steps_of

FACTS = {"id", "source_type", "source_id", "url", "title", "tags"}


def test_documents_are_listed_in_pages_without_their_content(finished):
    first = finished.ask("docs", "list", "--limit", 3)
    second = finished.ask("docs", "list", "--limit", 3, "--cursor", first["next"])

    assert set(first["items"][0]) >= FACTS
    assert "content" not in first["items"][0]
    assert len({doc["id"] for doc in first["items"] + second["items"]}) == 5
    assert second["next"] is None


def test_documents_are_listed_by_tag_and_type(finished):
    assert len(finished.ask("docs", "list", "--tag", "test_job", "--type", "test_job", "--run", 1)["items"]) == 5
    assert finished.ask("docs", "list", "--tag", "nosuch") == {"items": [], "next": None}


def test_a_document_is_shown_with_its_content_and_runs(finished):
    [one] = finished.ask("docs", "list", "--limit", 1)["items"]

    shown = finished.ask("docs", "show", one["id"])
    text = finished("docs", "show", one["id"]).stdout

    assert shown["content"].startswith("# Test job")
    assert [use["how"] for use in shown["runs"]] == ["made"]
    assert shown["content"].splitlines()[0] in text


def test_search_finds_and_marks_words_and_pages_go_on(finished):
    first = finished.ask("docs", "search", 'title:job "test job"', "--limit", 3)
    second = finished.ask("docs", "search", 'title:job "test job"', "--limit", 3, "--cursor", first["next"])
    text = finished("docs", "search", "seed -nosuch").stdout

    assert set(first["items"][0]) >= FACTS
    assert "[" in first["items"][0]["snippet"]
    assert len(first["items"] + second["items"]) == 5
    assert second["next"] is None
    assert "[Seed]" in text


def test_a_search_without_hits_is_no_error(finished):
    assert finished.ask("docs", "search", "nosuchword") == {"items": [], "next": None}
    assert finished.here("docs", "search", "nosuchword").stderr == "nothing found\n"


def test_why_names_the_run_the_step_and_the_job(finished):
    [one] = finished.ask("docs", "list", "--limit", 1)["items"]

    lineage = finished.ask("docs", "why", one["id"])
    text = finished("docs", "why", one["id"]).stdout

    assert (lineage["manager_id"], lineage["step_name"]) == (1, "first")
    assert lineage["derived_from"] == []
    assert f"made by run 1 step first (test_job_generator) job {lineage['job_id']}" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["docs", "show", "doc_nosuch"], "no document doc_nosuch"),
        (["docs", "search", "after:soon"], "soon"),
        (["docs", "list", "--cursor", "x"], "cursor 'x'"),
        (["docs", "list", "--run", "99"], "no run 99"),
        (["logs", "99"], "no job 99"),
        (["logs", "1", "--step", "frist"], "did you mean first?"),
        (["logs", "1", "--level", "loud"], "loud"),
    ],
)
def test_what_is_not_there_exits_2_and_says_so(finished, arguments, says):
    assert says in finished.refusal(*arguments)


def test_lines_are_numbered_without_holes_and_come_in_pages(finished):
    first = finished.ask("logs", 1, "--limit", 5)
    rest = finished.ask("logs", 1, "--after", first["next"])

    numbers = [line["seq"] for line in first["items"] + rest["items"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert rest["items"][-1]["message"] == "run.completed"
    assert rest["next"] is None


def test_a_line_as_text_has_number_time_level_step_message_and_fields(finished):
    lines = finished("logs", 1, "--step", "first").stdout.splitlines()

    assert lines[0].split()[0] == "3"
    assert lines[0].split()[2:] == ["info", "first", "step.started", "worker_type=test_job_generator"]


def test_lines_are_narrowed_to_a_level_a_step_or_a_job(finished):
    step = steps_of(finished.ask("jobs", "show", 1))["first"]
    [failed] = finished.ask("jobs", "list", "--parent", step["id"], "--status", "failed")["items"]

    errors = finished.ask("logs", 1, "--level", "error")["items"]
    of_step = finished.ask("logs", step["id"])["items"]
    of_job = finished.ask("logs", 1, "--job", failed["id"])["items"]

    assert {line["level"] for line in errors} <= {"error"}
    assert {line["step_id"] for line in of_step} == {step["id"]}
    assert {line["job_id"] for line in of_job} == {failed["id"]}


def test_follow_shows_every_line_and_ends_with_the_run(sample):
    gate = sample.folder / "gate"
    with sample.started("run", sample.define(note_step(wait_for=gate) + load_step())) as run:
        run.wait_for("step note running")
        with sample.started("logs", 1, "--follow", "--json") as follower:
            gate.touch()
            ended = follower.end()
            assert run.end().code == 0

    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["message"] == "run.completed"
    assert ended.code == 0


def test_a_reader_that_goes_away_is_no_error(finished):
    command = f"{QUAERO} --data {finished.data} logs 1 --follow | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=30)

    assert done.stderr == ""
    assert done.stdout.count("\n") == 1

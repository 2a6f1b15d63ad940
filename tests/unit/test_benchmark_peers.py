"""What the table of other job queues says of their runs."""

from __future__ import annotations

import pytest
from benchmarks.peers.catalogue import PEERS, PINS, chosen
from benchmarks.peers.outcomes import HEADINGS, Outcome, RunFailed, last_word
from benchmarks.peers.quaero_rows import report, runs_of

LONGEST_NOTE = 59
"""Characters that fit on one line of the table."""


def test_a_row_shows_the_median_and_the_range_of_the_runs():
    runs = [{"per_s": 900.0, "enqueue_per_s": 5.25}, {"per_s": 1100.0, "enqueue_per_s": 5.25}, {"per_s": 1000.4}]

    row = Outcome("huey", "drain", 10_000, "no status", runs)

    assert row.cells() == ("huey", "drain", "10,000", "5.2", "1,000", "900 – 1,100", "no status")
    assert len(row.cells()) == len(HEADINGS)


def test_a_latency_is_shown_as_two_percentiles():
    runs = [{"p50_ms": 1.0, "p99_ms": 3.0}, {"p50_ms": 2.0, "p99_ms": 5.0}]

    row = Outcome("huey", "latency", 200, "", runs)

    assert row.cells()[3:] == ("–", "1.5 / 4.0 ms", "1.0 – 2.0 ms", "")


def test_a_peer_without_figures_says_why():
    row = Outcome("celery", "drain", 5_000, "no status", reason="skipped: no redis-server on PATH")

    assert row.cells() == ("celery", "drain", "5,000", "–", "–", "–", "skipped: no redis-server on PATH")
    assert row.as_json()["reason"] == "skipped: no redis-server on PATH"


def test_the_json_of_a_row_has_medians_and_runs():
    row = Outcome("huey", "fanout", 5_000, "", [{"per_s": 1.0}, {"per_s": 3.0}])

    assert row.as_json()["per_s"] == 2.0
    assert row.as_json()["runs"] == [{"per_s": 1.0}, {"per_s": 3.0}]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (
            "ERROR: No matching distribution found for huey==0\nWARNING: old pip\n",
            "No matching distribution found for huey==0",
        ),
        ("Traceback …\nOSError: disk full\n\n", "OSError: disk full"),
        ("ERROR: see scheme://host/path for more", "see … for more"),
        ("", "no message"),
    ],
)
def test_a_reason_is_the_line_that_says_the_most(errors, said):
    assert last_word(errors) == said


def test_peers_are_chosen_by_their_name_or_their_tool():
    assert [peer.name for peer in chosen(["huey", "dbos-sqlite"])] == ["huey-full", "huey-normal", "dbos-sqlite"]
    assert chosen([]) == list(PEERS)
    with pytest.raises(ValueError, match="no such peer: hui"):
        chosen(["hui", "huey"])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_is_pinned_and_its_notes_fit_on_a_line(peer):
    assert all("==" in pin for pin in PINS[peer.tool])
    assert 0 < len(peer.note("drain")) <= LONGEST_NOTE
    assert 0 < len(peer.note("fanout")) <= LONGEST_NOTE
    assert peer.size("drain", quick=True) < peer.size("drain", quick=False)


def test_our_own_figures_are_read_from_what_follows_the_table():
    printed = 'a table\n{\n  "samples": {"pipeline": {"engine": [{"per_s": 5.0, "lag_ms": 1.0}]}}\n}\n'

    assert runs_of("fanout", report(printed)["samples"]) == [{"per_s": 5.0, "lag_ms": 1.0}]
    with pytest.raises(RunFailed):
        report("a table\n")


def test_our_own_drain_joins_two_groups_of_the_engine_benchmark():
    samples = {"enqueue": {"engine": [{"per_s": 9.0}]}, "drain": {"engine": [{"per_s": 4.0}]}}

    assert runs_of("drain", samples) == [{"enqueue_per_s": 9.0, "per_s": 4.0}]

"""Identities of processes, and a clock that never goes back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from quaero.queue import node
from quaero.queue.node import NodeIdentity, SystemClock, is_gone, this_node
from tests.waiting import wait_until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def identity(**changes: object) -> NodeIdentity:
    return msgspec.structs.replace(this_node(), **changes)


def test_a_process_knows_itself_to_be_alive():
    assert this_node() == this_node()
    assert this_node().pid == os.getpid()
    if sys.platform == "linux":
        assert is_gone(this_node()) is False


def test_an_identity_survives_storage():
    assert msgspec.json.decode(msgspec.json.encode(this_node()), type=NodeIdentity) == this_node()


@linux_only
def test_a_process_is_gone_once_it_was_killed_even_before_its_parent_takes_notice():
    program = "import msgspec, sys; from quaero.queue.node import this_node\n"
    program += "print(msgspec.json.encode(this_node()).decode(), flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other = msgspec.json.decode(child.stdout.readline(), type=NodeIdentity)
        alive = is_gone(other)
        child.kill()
        wait_until(lambda: is_gone(other))
        zombie = Path(f"/proc/{child.pid}").exists()
    finally:
        child.kill()
        child.communicate()

    assert alive is False
    assert zombie
    assert is_gone(other) is True


@linux_only
def test_a_pid_that_was_given_to_another_process_does_not_count():
    assert is_gone(identity(started=this_node().started - 1)) is True


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot_id": "before"}, {"pid_namespace": "pid:[1]"}])
def test_a_process_of_another_host_boot_or_namespace_cannot_be_told(change):
    assert is_gone(identity(**change)) is None


def test_a_pid_that_exists_without_a_known_start_cannot_be_told():
    assert is_gone(identity(started=None)) is None


def test_a_process_that_can_be_seen_but_not_read_cannot_be_told(monkeypatch):
    other = this_node()
    monkeypatch.setattr(node, "_stat", lambda pid: None)

    assert is_gone(other) is None


def test_without_proc_an_identity_still_tells_boots_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(node, "_PROC", tmp_path)
    monkeypatch.setattr(node, "_BOOT_ID", tmp_path / "boot_id")

    here = this_node()

    assert here.boot_id.startswith("booted-")
    assert (here.pid_namespace, here.started) == ("", None)


@linux_only
@pytest.mark.parametrize("name", ["plain", "two words", "a) R 1 (b", ")"])
def test_the_start_time_is_found_behind_any_process_name(monkeypatch, tmp_path, name):
    (tmp_path / "7").mkdir()
    rest = " ".join(str(number) for number in range(4, 53))
    (tmp_path / "7" / "stat").write_text(f"7 ({name}) S {rest}\n")
    monkeypatch.setattr(node, "_PROC", tmp_path)

    assert node._stat(7) == ("S", 22)


def test_the_clock_starts_at_the_time_of_day():
    assert abs(SystemClock().now() - time.time_ns() // 1000) < 1_000_000


def test_the_clock_does_not_follow_when_the_time_of_day_is_set(monkeypatch):
    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr(time, "time_ns", lambda: 0)

    after = clock.now()

    assert before <= after < before + 1_000_000


def test_the_clock_never_goes_back():
    clock = SystemClock()

    readings = [clock.now() for _ in range(10_000)]

    assert readings == sorted(readings)

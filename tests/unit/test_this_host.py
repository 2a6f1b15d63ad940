"""Whom this host may call dead: its own processes, and with a file those of an earlier boot."""

from __future__ import annotations

import os

import pytest

from quaero.app import ThisHost
from quaero.ports.jobs import ProcessRow

GONE = 2**22 - 1
"""No pid of a process that lives."""


@pytest.fixture(params=[True, False], ids=["file", "server"])
def host(request: pytest.FixtureRequest) -> ThisHost:
    return ThisHost(is_alone=request.param)


def own(on: ThisHost, /, **changes: object) -> ProcessRow:
    return on.process_row()._replace(**changes)  # type: ignore[arg-type]  # the test names the fields


def test_this_process_is_alive_and_one_that_ended_here_is_dead(host):
    assert host.is_dead(own(host)) is False
    assert host.is_dead(own(host, pid=GONE)) is True
    assert host.is_dead(own(host, pid=os.getpid(), pid_started=1)) is True


@pytest.mark.parametrize("changes", [{"host": "far"}, {"pid_space": "pid:[1]"}])
def test_of_another_host_or_pid_namespace_only_the_lease_tells(host, changes):
    assert host.is_dead(own(host, pid=GONE, **changes)) is None


@pytest.mark.parametrize("changes", [{}, {"host": "far"}])
def test_a_process_of_another_boot_is_dead_only_where_no_other_host_can_be(changes):
    alone, one_of_many = ThisHost(is_alone=True), ThisHost(is_alone=False)

    assert alone.is_dead(own(alone, boot_id="another", **changes)) is True
    assert one_of_many.is_dead(own(one_of_many, boot_id="another", **changes)) is None

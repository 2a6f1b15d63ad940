"""A data folder that this user may not write: one clear line, nothing half-made. Also when the tests run as root."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from multiprocessing import get_context

import pytest

from quaero.app import App
from quaero.config import load
from quaero.errors import StoreUnavailable

NOBODY = 65534


def as_somebody_else(call):
    """What ``call`` raises (as text) in a forked process without root's rights."""
    context = get_context("fork")
    answers, tell = context.Pipe(duplex=False)

    def child():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        try:
            call()
        except StoreUnavailable as error:
            tell.send(str(error))
        else:
            tell.send("")

    process = context.Process(target=child)
    process.start()
    assert answers.poll(30)
    answer = answers.recv()
    process.join(30)
    return answer


@pytest.fixture
def folder(tmp_path):
    """A used data folder, then made read-only; every folder above it can be entered."""
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.owner() == tmp_path.owner() and not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    data = tmp_path / "data"
    App(load(data)).close()
    for path in [data, *data.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield data
    for path in [data, *data.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.skipif(os.name != "posix", reason="needs fork and users")
def test_a_read_only_data_folder_is_refused_with_the_way_out(folder):
    before = sorted(path.name for path in folder.iterdir())

    message = as_somebody_else(lambda: App(load(folder)).close())

    assert str(folder) in message
    assert "write access" in message
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.skipif(os.name != "posix", reason="needs fork and users")
def test_a_folder_that_cannot_be_made_is_refused_with_the_way_out(folder):
    config = replace(load(folder), data=folder / "new", database=folder / "new" / "quaero.db")

    message = as_somebody_else(lambda: App(config).close())

    assert str(folder / "new") in message
    assert "--data" in message

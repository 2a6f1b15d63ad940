"""Data folders for tests of the command line."""

from __future__ import annotations

import pytest

from tests.e2e.command import Quaero, load_step, with_sample


@pytest.fixture
def quaero(tmp_path):
    """``quaero`` without a data folder yet."""
    return Quaero(tmp_path)


@pytest.fixture
def sample(tmp_path):
    """``quaero`` with the sample package installed."""
    return Quaero(tmp_path, with_sample(tmp_path / "site"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """``quaero`` with run 1 of ``t`` behind it: two steps, documents, one failed job. Only to be read."""
    quaero = Quaero(tmp_path_factory.mktemp("finished"))
    first = load_step("first", document=True, worker_count=6, failure_rate=0.2, seed=0)
    quaero(
        "run",
        quaero.define(first + load_step("second", extra=['depends = "first"', 'description = "last"'])),
        "--quiet",
    )
    return quaero

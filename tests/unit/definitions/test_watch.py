"""The watch tells of every change, in time, and of nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from quaero.definitions.files import Stamp, scan
from quaero.definitions.watch import Changes, FolderWatch, compare

QUICK_S = 0.02
SOON_S = 10.0
DEFINITION = 'id = "a"\nname = "A"\n'


class Told:
    """What the folder held whenever the watch told of a change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts: SimpleQueue[dict[str, str]] = SimpleQueue()

    def __call__(self) -> None:
        self.texts.put({name: (self.folder / name).read_text() for name in scan(self.folder)})

    def wait_for(self, expected: dict[str, str]) -> None:
        """Until the folder was told of in this state; telling twice does no harm."""
        while self.texts.get(timeout=SOON_S) != expected:
            pass

    def is_silent(self) -> bool:
        try:
            self.texts.get_nowait()
        except Empty:
            return True
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "definitions"


@pytest.fixture
def told(folder: Path) -> Told:
    return Told(folder)


@pytest.fixture
def watch(folder: Path, told: Told) -> Iterator[Callable[[], FolderWatch]]:
    started: list[FolderWatch] = []

    def start(changed: Callable[[], None] = told) -> FolderWatch:
        started.append(FolderWatch(folder, changed, quick_s=QUICK_S))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def stamp(number: int) -> Stamp:
    return Stamp(number, number, 1, 1)


def test_two_looks_are_compared():
    changes = compare({"a": stamp(1), "b": stamp(1), "c": stamp(1)}, {"a": stamp(1), "b": stamp(2), "d": stamp(1)})

    assert changes == Changes(added=("d",), changed=("b",), removed=("c",))
    assert changes
    assert not compare({"a": stamp(1)}, {"a": stamp(1)})


def test_what_is_added_changed_and_removed_is_told(folder, told, watch):
    watch()
    folder.mkdir()
    (folder / "a.toml").write_text(DEFINITION)
    told.wait_for({"a.toml": DEFINITION})

    (folder / "sub").mkdir()
    (folder / "sub/b.toml").write_text(DEFINITION)
    told.wait_for({"a.toml": DEFINITION, "sub/b.toml": DEFINITION})

    (folder / "a.toml").write_text("# one\n")
    told.wait_for({"a.toml": "# one\n", "sub/b.toml": DEFINITION})

    (folder / "new").write_text("# two\n")  # the same size, and a rename
    (folder / "new").replace(folder / "a.toml")
    told.wait_for({"a.toml": "# two\n", "sub/b.toml": DEFINITION})

    (folder / "a.toml").unlink()
    told.wait_for({"sub/b.toml": DEFINITION})


def test_what_was_there_before_and_what_is_no_definition_is_not_told(folder, told, watch):
    folder.mkdir()
    (folder / "a.toml").write_text(DEFINITION)
    watch()
    (folder / "notes.txt").write_text("x")
    (folder / ".a.toml.tmp").write_text("x")
    (folder / "b.toml").write_text(DEFINITION)  # told: the looks before it were silent

    both = {"a.toml": DEFINITION, "b.toml": DEFINITION}
    assert told.texts.get(timeout=SOON_S) == both


def test_a_file_is_told_of_when_it_has_been_written(folder, told, watch, monkeypatch):
    folder.mkdir()
    looked = threading.Event()
    is_half_written = FolderWatch._is_half_written

    def watched(self: FolderWatch, changes: Changes) -> bool:
        answer = is_half_written(self, changes)
        if answer:
            looked.set()
        return answer

    monkeypatch.setattr(FolderWatch, "_is_half_written", watched)
    monkeypatch.setattr("quaero.definitions.watch.WRITING_S", SOON_S)
    watch()
    with (folder / "a.toml").open("w") as out:
        out.write('id = "a"\nname = "')
        out.flush()
        assert looked.wait(SOON_S)
        assert told.is_silent()
        out.write('A"\n')

    assert told.texts.get(timeout=SOON_S) == {"a.toml": DEFINITION}


def test_a_file_that_stays_broken_is_told_of_too(folder, told, watch):
    folder.mkdir()
    watch()
    (folder / "a.toml").write_text("id = ")

    told.wait_for({"a.toml": "id = "})


def test_an_error_of_who_is_told_ends_nothing(folder, told, watch):
    folder.mkdir()
    calls: SimpleQueue[None] = SimpleQueue()

    def changed() -> None:
        calls.put(None)
        raise RuntimeError("a defect")

    watch(changed)
    (folder / "a.toml").write_text(DEFINITION)
    calls.get(timeout=SOON_S)
    (folder / "b.toml").write_text(DEFINITION)
    calls.get(timeout=SOON_S)


def test_a_folder_that_cant_be_read_for_a_while_is_not_told_of_as_empty(folder, told, watch, monkeypatch):
    folder.mkdir()
    (folder / "a.toml").write_text(DEFINITION)
    failing = threading.Event()
    failed = threading.Event()

    def sometimes(path: Path) -> dict[str, Stamp]:
        if failing.is_set():
            failed.set()
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("quaero.definitions.watch.scan", sometimes)
    watch()
    failing.set()
    assert failed.wait(SOON_S)
    failing.clear()
    (folder / "b.toml").write_text(DEFINITION)

    assert told.texts.get(timeout=SOON_S) == {"a.toml": DEFINITION, "b.toml": DEFINITION}


def test_it_ends_when_it_is_told_to_also_from_within(folder, watch):
    folder.mkdir()
    before = threading.active_count()
    ended = threading.Event()
    one: list[FolderWatch] = []

    def changed() -> None:
        one[0].stop()
        ended.set()

    one.append(watch(changed))
    (folder / "a.toml").write_text(DEFINITION)
    assert ended.wait(SOON_S)
    one[0].stop()

    with FolderWatch(folder, changed):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_look_costs_next_to_nothing(folder):
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.toml").write_text(DEFINITION)
    start = os.times()

    for _ in range(20):
        scan(folder)

    end = os.times()
    assert (end.user + end.system - start.user - start.system) / 20 < 0.02

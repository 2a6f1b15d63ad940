"""The definitions folder: what is listed, checked and written, and what is refused."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from quaero.definitions import folder as folder_module
from quaero.definitions.atomic import create_file, move_file, replace_file
from quaero.definitions.entries import DefinitionEntry
from quaero.definitions.files import read_folder
from quaero.definitions.folder import DefinitionFolder
from quaero.definitions.folder_state import MAX_BYTES, SETTLED_NS
from quaero.errors import BadData, ConfigError, InvalidDefinition, NotFound, Refused, VersionConflict
from tests.unit.definitions.worlds import AGENT_TYPES, CATALOG, KEYS, examples
from tests.waiting import wait_until

SECRET = "the-value-of-the-variable"


def text(definition_id: str = "a", *lines: str, step: str = "") -> str:
    header = [f'id = "{definition_id}"', f'name = "The {definition_id}"', *lines]
    return "\n".join([*header, "", "[step.mail]", 'type = "email"', 'to = "me"', step, ""])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "definitions"


@pytest.fixture
def keys() -> set[str]:
    return set(KEYS)


@pytest.fixture
def folder(path: Path, keys: set[str]) -> DefinitionFolder:
    return DefinitionFolder(
        path, catalog=CATALOG, agent_types=AGENT_TYPES, key_names=lambda: keys, environment={"SITE": SECRET}
    )


@pytest.fixture
def put(path: Path) -> Callable[[str, str], Path]:
    """Writes a file as somebody outside would."""

    def write(name: str, content: str) -> Path:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
        return file

    return write


def listed(folder: DefinitionFolder) -> dict[str, DefinitionEntry]:
    return {entry.id: entry for entry in folder.list()}


def codes(entry: DefinitionEntry) -> list[str]:
    return [finding.code for finding in entry.findings]


# Listing


def test_there_is_nothing_where_there_is_no_folder(folder):
    assert folder.list() == ()


def test_an_entry_says_what_the_definition_says(folder, put):
    put(
        "sub/b.toml",
        text("a", 'schedule = "0 6 * * *"', 'timezone = "Europe/Vienna"', 'tags = ["x"]', 'description = "D"'),
    )

    [entry] = folder.list()

    assert (entry.id, entry.name, entry.file, entry.type) == ("a", "The a", "sub/b.toml", "email")
    assert (entry.schedule, entry.timezone, entry.tags, entry.description) == (
        "0 6 * * *",
        "Europe/Vienna",
        ("x",),
        "D",
    )
    assert (entry.status, entry.reason, entry.findings, entry.is_draft) == ("ready", "", (), False)
    assert entry.hash == folder.definition("a").hash
    assert entry.modified_at.tzinfo is not None


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (text("a", "enabled = false"), "disabled", "enabled = false"),
        (text("a", 'authentication = "nobody"'), "disabled", "no credentials are stored under nobody"),
        (text("a", 'authentication = "handbook-sso"'), "ready", ""),
        (text("a", 'timeout = "5"'), "error", "line 3: timeout must be a valid duration"),
        ("id = ", "error", "line 1: not valid TOML"),
    ],
)
def test_the_status_says_whether_it_could_be_started(folder, put, content, status, reason):
    put("a.toml", content)

    [entry] = folder.list()

    assert entry.id == "a"
    assert entry.status == status
    assert entry.reason.startswith(reason)


def test_broken_files_are_listed_under_a_name_that_is_theirs_alone(folder, put):
    put("1.toml", text("a"))
    put("2.toml", text("a"))
    put("3.toml", 'id = "three"\nname = ')
    put("Bad Name.toml", 'id = "a"\nname = ')
    put("four.toml", "")
    put("sub/five.toml", "\x00")
    put("x.toml", text("Wrong Id"))

    found = listed(folder)

    assert {name: entry.file for name, entry in found.items()} == {
        "a": "1.toml",
        "~2": "2.toml",
        "three": "3.toml",
        "~Bad Name": "Bad Name.toml",
        "four": "four.toml",
        "~sub~five": "sub/five.toml",
        "x": "x.toml",
    }
    assert codes(found["a"]) == []
    assert codes(found["~2"]) == ["JD004"]
    assert "1.toml" in found["~2"].findings[0].message
    assert codes(found["three"]) == ["JD001"]
    assert codes(found["four"]) == ["JD002", "JD003", "JD006"]
    assert found["x"].name == "The Wrong Id"
    assert {entry.status for name, entry in found.items() if name != "a"} == {"error"}


def test_what_cant_be_read_as_text_is_listed_too(folder, path):
    path.mkdir()
    (path / "latin.toml").write_bytes(b'id = "\xe4"')
    (path / "big.toml").write_bytes(b"#" * (MAX_BYTES + 1))

    found = listed(folder)

    assert found["latin"].reason == "line 1: not UTF-8 at byte 6; save it as UTF-8"
    assert "larger than" in found["big"].reason
    assert folder.get("big").source == ""
    with pytest.raises(BadData, match=r"latin\.toml: not UTF-8"):
        folder.set_enabled("latin", False, etag=found["latin"].etag)


def test_hidden_files_and_what_is_behind_links_are_left_out(folder, put, path, tmp_path):
    put(".a.toml", text("hidden"))
    put(".git/b.toml", text("hidden2"))
    put("c.toml.bak", text("c"))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "d.toml").write_text(text("d"))
    (path / "linked").symlink_to(tmp_path / "outside")
    (path / "loop").symlink_to(path)
    (path / "nowhere.toml").symlink_to(tmp_path / "nowhere")
    (path / "folder.toml").mkdir()

    assert folder.list() == ()
    assert read_folder(path) == {}


def test_a_change_of_any_kind_is_seen_at_the_next_look(folder, put, keys):
    file = put("a.toml", text("a", 'authentication = "later"', 'pre_jobs = ["b"]'))
    assert codes(listed(folder)["a"]) == ["JD051", "JD042"]

    keys.add("later")
    assert codes(listed(folder)["a"]) == ["JD042"]
    put("b.toml", text("b"))
    assert codes(listed(folder)["a"]) == []
    put("b.toml", text("c"))  # the same size
    assert codes(listed(folder)["a"]) == ["JD042"]
    file.unlink()
    assert list(listed(folder)) == ["c"]


def test_what_has_not_changed_is_not_checked_again(folder, put, monkeypatch):
    for name in ("a", "b"):
        put(f"{name}.toml", text(name))
    before = folder.list()
    loads: list[str] = []
    load = folder_module.load_definition
    monkeypatch.setattr(
        folder_module, "load_definition", lambda *args, **more: loads.append(more["file"]) or load(*args, **more)
    )

    assert folder.list() == before
    assert loads == []
    put("b.toml", text("b", "enabled = false"))
    assert listed(folder)["b"].status == "disabled"
    assert loads == ["b.toml"]


def test_a_file_is_read_once_when_it_has_settled(folder, put, monkeypatch):
    file = put("a.toml", text("a"))
    wait_until(lambda: time.time_ns() - file.stat().st_ctime_ns > SETTLED_NS)
    before = folder.list()
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail(f"{self} was read again"))

    assert folder.list() == before


def test_findings_and_places_name_no_folder_of_this_machine(folder, put, path):
    put("sub/a.toml", text("a"))
    put("b.toml", text("a", "timeout = 3"))

    shown = msgspec.json.encode([folder.list(), folder.check(text("a"))]).decode()

    assert str(path) not in shown


def test_relative_paths_start_at_the_folder_of_the_file(folder, put, path):
    put("sub/a.toml", text("a"))

    assert folder.definition("a").base_dir == str(path.resolve() / "sub")


def test_placeholders_stay_as_they_are_written(folder, put, keys):
    keys.add("mail_key")
    put("a.toml", text("a", step='subject = "{mail_key} {env.SITE} {config.x}"'))

    opened = folder.get("a")

    shown = msgspec.json.encode([opened, folder.check(opened.source)]).decode()
    assert SECRET not in shown
    assert opened.definition.steps[0].parameters["subject"] == "{mail_key} {env.SITE} {config.x}"


# To run


def test_a_runnable_definition_brings_those_that_it_names(folder, put):
    put("a.toml", text("a", 'pre_jobs = ["b"]'))
    put("b.toml", text("b", 'post_jobs = ["c"]'))
    put("c.toml", text("c"))

    found = folder.runnable("a", overrides={"max_parallel_steps": "1"})

    assert found.definition.max_parallel_steps == 1
    assert found.source == text("a", 'pre_jobs = ["b"]')
    assert {name: source for name, (_, source) in found.library.items()} == {
        "b": text("b", 'post_jobs = ["c"]'),
        "c": text("c"),
    }
    assert folder.library(folder.definition("a")) == found.library
    assert folder.definition("a").max_parallel_steps == 4


def test_what_has_errors_or_is_a_draft_or_is_not_there_is_not_run(folder, put):
    put("a.toml", text("a", "timeout = 3"))
    put("b.draft.toml", text("b"))
    put("c.toml", text("c", 'pre_jobs = ["a"]'))
    put("handbook.toml", text("handbook"))

    with pytest.raises(InvalidDefinition, match="JD032"):
        folder.definition("a")
    with pytest.raises(InvalidDefinition, match="JD032"):
        folder.runnable("c")
    with pytest.raises(Refused, match="draft"):
        folder.definition("b")
    with pytest.raises(NotFound, match="did you mean handbook"):
        folder.definition("handbok")
    with pytest.raises(ConfigError):
        folder.definition("handbook", overrides={"": "1"})


# Checking


def test_a_text_is_checked_as_if_it_were_stored(folder, put):
    put("a.toml", text("a"))

    new = folder.check(text("a"))
    own = folder.check(text("a", "enabled = 1"), definition_id="a")

    assert [(f.code, f.file) for f in new.findings] == [("JD004", "")]
    assert (new.is_valid, new.id) == (False, "a")
    assert [(f.code, f.file, f.line) for f in own.findings] == [("JD012", "a.toml", 3)]
    assert folder.check(text("a"), definition_id="a").is_valid
    assert folder.check(text("b"), definition_id="unknown").is_valid


@pytest.mark.parametrize(
    "source",
    ["", "\x00", "a = [", "[" * 3_000, "x = " + "[" * 3_000, "#" * (MAX_BYTES + 1), "id = 'a'\r\r", "a=" + "9" * 5_000],
)
def test_no_text_is_too_bad_to_be_checked(folder, source):
    checked = folder.check(source)

    assert not checked.is_valid
    assert checked.findings


@pytest.mark.parametrize("example", examples())
def test_a_check_is_fast_enough_for_every_key_stroke(folder, example):
    source = examples()[example]
    folder.check(source)
    spent: list[float] = []
    for number in range(10):
        start = time.thread_time()
        folder.check(f"{source}\n# {number}")
        spent.append(time.thread_time() - start)

    assert min(spent) < 0.02


def test_a_check_stores_nothing(folder, path):
    folder.check(text("a"))

    assert not path.exists()


# Writing


def test_a_new_definition_is_stored_under_its_id_for_this_user_alone(folder, path):
    source = text("a").replace("\n", "\r\n")

    entry = folder.create(source)

    assert (path / "a.toml").read_bytes() == source.encode()
    assert (path / "a.toml").stat().st_mode & 0o777 == 0o600
    assert folder.get("a") == (opened := folder.get(entry.id))
    assert (opened.entry, opened.source) == (entry, source)
    assert [file.name for file in path.iterdir()] == ["a.toml"]


def test_errors_and_ids_that_are_taken_are_refused_and_nothing_is_stored(folder, path):
    folder.create(text("a"))

    with pytest.raises(Refused, match=r"already taken by a\.toml"):
        folder.create(text("a", 'description = "other"'))
    with pytest.raises(InvalidDefinition) as refused:
        folder.create(text("b", "timeout = 3"))
    for bad in ("../b", "B", "a/b", ".b", "b.toml", ""):
        with pytest.raises(InvalidDefinition):
            folder.create(text(bad))
        with pytest.raises(BadData, match="at least its id"):
            folder.create(text(bad), draft=True)
    with pytest.raises(BadData, match="longer than 100"):
        folder.create(text("b" * 101))
    with pytest.raises(BadData, match="larger than"):
        folder.create(text("b", "#" * MAX_BYTES))
    with pytest.raises(BadData, match="UTF-8"):
        folder.create(text("b", "# \ud800"))

    assert refused.value.findings[0].file == "b.toml"
    assert [file.name for file in path.parent.rglob("*")] == ["definitions", "a.toml"]


def test_a_file_that_is_in_the_way_stays(folder, put):
    file = put("a.toml", text("other"))

    with pytest.raises(Refused, match=r"a\.toml is there already"):
        folder.create(text("a"))

    assert file.read_text() == text("other")


def test_a_draft_may_have_errors_is_listed_and_known_to_nobody(folder, path, put):
    entry = folder.create('id = "a"\nname = ', draft=True)

    assert (entry.id, entry.file, entry.is_draft, entry.status) == ("a", "a.draft.toml", True, "error")
    good = folder.update("a", text("a"), etag=entry.etag, draft=True)
    assert (good.is_draft, good.status, good.reason) == (True, "disabled", "a draft")
    put("b.toml", text("b", 'post_jobs = ["a"]'))
    assert codes(listed(folder)["b"]) == ["JD042"]
    assert list(read_folder(path)) == [str(path / "b.toml")]
    with pytest.raises(Refused, match="already taken"):
        folder.create(text("a"))


def test_a_draft_becomes_a_definition_and_a_definition_a_draft(folder, path):
    draft = folder.create(text("a"), draft=True)

    ready = folder.update("a", text("a"), etag=draft.etag)
    assert [file.name for file in path.iterdir()] == ["a.toml"]
    assert (ready.status, ready.file) == ("ready", "a.toml")
    broken = folder.update("a", 'id = "a"\nna', etag=ready.etag, draft=True)
    assert [file.name for file in path.iterdir()] == ["a.draft.toml"]
    assert broken.is_draft
    with pytest.raises(InvalidDefinition):
        folder.update("a", 'id = "a"\nna', etag=broken.etag)


def test_a_change_keeps_file_and_mode(folder, put):
    file = put("sub/other-name.toml", text("a"))
    file.chmod(0o640)
    [entry] = folder.list()

    changed = folder.update("a", text("a", "enabled = false"), etag=entry.etag)

    assert (changed.file, changed.enabled) == ("sub/other-name.toml", False)
    assert changed.etag != entry.etag
    assert file.read_text() == text("a", "enabled = false")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_change_of_another_version_is_refused_and_told_what_is_there(folder, put):
    entry = folder.create(text("a"))
    there = text("a", "# by hand")
    put("a.toml", there)

    for change in (
        lambda: folder.update("a", text("a", "# mine"), etag=entry.etag),
        lambda: folder.set_enabled("a", False, etag=entry.etag),
        lambda: folder.delete("a", etag=entry.etag),
    ):
        with pytest.raises(VersionConflict) as conflict:
            change()
        assert conflict.value.source == there
        assert conflict.value.etag == folder.get("a").entry.etag
    assert folder.get("a").source == there


def test_what_is_gone_cant_be_changed(folder):
    for change in (
        lambda: folder.update("a", text("a"), etag=""),
        lambda: folder.set_enabled("a", False, etag=""),
        lambda: folder.delete("a", etag=""),
        lambda: folder.get("a"),
    ):
        with pytest.raises(NotFound):
            change()


def test_a_definition_keeps_its_id(folder, put):
    entry = folder.create(text("a"))

    with pytest.raises(Refused, match="the id stays as it is"):
        folder.update("a", text("b"), etag=entry.etag)
    with pytest.raises(Refused, match="the id stays as it is"):
        folder.update("a", 'id = "b"\nname =', etag=entry.etag, draft=True)
    with pytest.raises(InvalidDefinition):
        folder.update("a", "name = 'x'", etag=entry.etag)


def test_a_file_without_an_id_of_its_own_may_get_one_that_is_free(folder, put):
    put("1.toml", text("a"))
    put("2.toml", text("a"))
    other = listed(folder)["~2"]

    with pytest.raises(Refused, match="already taken"):
        folder.update("~2", text("a", "# still"), etag=other.etag)
    changed = folder.update("~2", text("b"), etag=other.etag)

    assert (changed.id, changed.file, changed.status) == ("b", "2.toml", "ready")


def test_enabled_is_switched_in_the_text(folder, put):
    file = put("a.toml", "\ufeff# mine\r\n" + text("a", "", "# about the step").replace("\n", "\r\n"))
    before = folder.get("a")

    off = folder.set_enabled("a", False, etag=before.entry.etag)
    on = folder.set_enabled("a", True, etag=off.etag)

    assert (off.enabled, off.status, on.enabled, on.status) == (False, "disabled", True, "ready")
    written = file.read_bytes().decode()
    assert written.startswith("\ufeff# mine\r\n")
    assert written.replace("enabled = true\r\n", "") == "\ufeff" + before.source
    assert folder.set_enabled("a", True, etag=on.etag).etag == on.etag


def test_a_definition_is_deleted_unless_others_name_it(folder, path):
    entry = folder.create(text("a"))
    user = folder.create(text("b", 'pre_jobs = ["a"]'))

    with pytest.raises(Refused, match="a pre or post job of b"):
        folder.delete("a", etag=entry.etag)
    folder.delete("b", etag=user.etag)
    folder.delete("a", etag=entry.etag)

    assert folder.list() == ()
    assert list(path.iterdir()) == []


def test_a_link_is_changed_where_it_leads(folder, path, tmp_path):
    path.mkdir()
    outside = tmp_path / "mine.toml"
    outside.write_text(text("a"))
    (path / "a.toml").symlink_to(outside)
    [entry] = folder.list()

    for change in (
        lambda: folder.update("a", text("a", "enabled = false"), etag=entry.etag),
        lambda: folder.set_enabled("a", False, etag=entry.etag),
        lambda: folder.delete("a", etag=entry.etag),
    ):
        with pytest.raises(Refused, match="a link"):
            change()

    assert outside.read_text() == text("a")
    assert folder.definition("a").id == "a"


def test_of_many_who_write_at_once_one_wins_and_nobody_reads_half_a_file(folder):
    first = folder.create(text("a"))
    results: list[str] = []
    seen: list[str] = []
    done = threading.Event()

    def write(number: int) -> None:
        try:
            folder.update("a", text("a", *[f"# {number}"] * 2_000), etag=first.etag)
            results.append("stored")
        except VersionConflict:
            results.append("refused")

    def read() -> None:
        while not done.is_set():
            seen.extend(entry.status for entry in folder.list())

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()

    assert sorted(results) == ["refused"] * 7 + ["stored"]
    assert set(seen) == {"ready"}


# Files


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    file = tmp_path / "a.toml"
    create_file(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exception, match="No space left"):
        replace_file(file, b"new")
    with pytest.raises(Exception, match="No space left"):
        create_file(tmp_path / "b.toml", b"new")

    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == {"a.toml": b"old"}


def test_where_there_are_no_hard_links_files_are_made_all_the_same(tmp_path, monkeypatch):
    def none(*args: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", none)
    create_file(tmp_path / "a.toml", b"one")
    with pytest.raises(Refused, match="there already"):
        create_file(tmp_path / "a.toml", b"two")

    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == {"a.toml": b"one"}


def test_a_file_is_not_moved_onto_another(tmp_path):
    create_file(tmp_path / "a", b"a")
    create_file(tmp_path / "b", b"b")

    with pytest.raises(Refused, match="b is there already"):
        move_file(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_bytes() == b"b"

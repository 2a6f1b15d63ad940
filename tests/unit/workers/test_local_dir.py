"""Local folder: what is read, what is left alone, what is gone."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from quaero.errors import BadData
from quaero.model.contracts import CONTRACTS, LocalDirMetadata
from quaero.model.document import Document
from quaero.model.outcome import JobOutcome
from quaero.ports.services import Services
from quaero.queue.step_manager import StepManager, accepted_keys
from quaero.workers.files.local_dir import Config, Payload, execute, plan, register
from tests.fakes import FakeCompute, FakeDocuments, FakeLog, collect, make_job, stored_and_back


class Folder:
    """A folder on disk and what the store holds of it; ``run`` is one whole step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.documents = FakeDocuments()
        self.compute = FakeCompute()
        self.log = FakeLog()

    def write(self, name: str, content: str | bytes = "text\n") -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def config(self, **parameters: Any) -> Config:
        return Config.model_validate({"dir_path": str(self.path)} | parameters)

    def plan(self, *, base_dir: str = "", **parameters: Any) -> list[Payload]:
        job = make_job(log=self.log, base_dir=base_dir)
        return asyncio.run(collect(plan(self.config(**parameters), job=job, documents=self.documents)))

    def execute(self, payload: Payload) -> JobOutcome:
        job = make_job(log=self.log)
        outcome = asyncio.run(execute(job, stored_and_back(payload), compute=self.compute))
        asyncio.run(self.documents.commit(outcome))
        return outcome

    def run(self, **parameters: Any) -> list[JobOutcome]:
        return [self.execute(payload) for payload in self.plan(**parameters)]

    def document(self, name: str) -> Document:
        found = asyncio.run(self.documents.find("local_dir", (self.path / name).as_posix()))
        assert found is not None, f"no document of {name}"
        return found

    def names(self) -> list[str]:
        live = [d for d in self.documents.by_id.values() if d.gone_at is None]
        return sorted(d.metadata["file_path"] for d in live)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    base = tmp_path / "folder"
    base.mkdir()
    return Folder(base)


def test_a_text_file_becomes_a_document_with_its_facts(folder: Folder) -> None:
    file = folder.write("src/app/tool.py", "#!/usr/bin/env python3\nprint('hi')\n")

    folder.run(tags=["code", "demo"])

    document = folder.document("src/app/tool.py")
    assert document.title == "tool.py"
    assert document.content == "#!/usr/bin/env python3\nprint('hi')\n"
    assert document.url == file.as_uri()
    assert document.tags == ("local_dir", "code", "demo")
    assert LocalDirMetadata.model_validate(document.metadata) == LocalDirMetadata(
        base_path=str(folder.path),
        file_path="src/app/tool.py",
        absolute_path=str(file),
        folder="src/app",
        extension=".py",
        file_size=35,
        file_mtime_ns=file.stat().st_mtime_ns,
        file_type="Python",
        encoding="utf-8",
        line_count=2,
        step_tags=("code", "demo"),
    )


def test_a_markdown_file_is_called_by_its_first_heading(folder: Folder) -> None:
    folder.write("a.md", "---\ntitle: x\n---\n```\n# no\n```\n## The *real* [one](x.md) ##\n# later\n")
    folder.write("b.md", "Set in\nlines\n=====\n")
    folder.write("c.md", "no heading\n")

    folder.run()

    assert [folder.document(n).title for n in ("a.md", "b.md", "c.md")] == ["The real one", "lines", "c.md"]


@pytest.mark.parametrize(
    ("content", "text", "encoding"),
    [
        (b"", "", "utf-8"),
        ("naïve – 日本".encode(), "naïve – 日本", "utf-8"),
        ("\ufeffmarked".encode(), "marked", "utf-8-sig"),
        ("Grüße, 日本".encode("utf-16"), "Grüße, 日本", "utf-16"),
        ("Grüße".encode("utf-16-be").join([b"\xfe\xff", b""]), "Grüße", "utf-16"),
        ("Grüße".encode("utf-32"), "Grüße", "utf-32"),
        ("Le café est très bon à Noël".encode("latin-1"), "Le café est très bon à Noël", "cp1252"),
        ("Привет, это текст на русском языке".encode("cp1251"), "Привет, это текст на русском языке", "cp1251"),
        (
            "日本語のテキストです。これは長い文章です。".encode("shift_jis"),
            "日本語のテキストです。これは長い文章です。",
            "shift_jis",
        ),
        ("é".encode() * 50 + b"\xff cut", "é" * 50 + "\ufffd cut", "utf-8-damaged"),
    ],
)
def test_text_is_read_in_the_encoding_it_is_in(folder: Folder, content: bytes, text: str, encoding: str) -> None:
    folder.write("file.txt", content)

    folder.run()

    document = folder.document("file.txt")
    assert (document.content, document.metadata["encoding"]) == (text, encoding)


@pytest.mark.parametrize("content", [b"\x7fELF\0\0\0", b"GIF89a\x01\x02\x03\x04" * 9, "a\0b".encode("utf-16")])
def test_binary_files_are_skipped_with_the_reason(folder: Folder, content: bytes) -> None:
    folder.write("blob", content)
    folder.write("text.txt")

    [outcome] = folder.run()

    assert folder.names() == ["text.txt"]
    assert outcome.by_identifier == {"blob": {"status": "skipped", "reason": "binary"}}
    assert outcome.warnings == []


def test_files_above_the_size_limit_are_skipped_with_the_reason(folder: Folder) -> None:
    folder.write("big.txt", "x" * 11)
    folder.write("small.txt", "x" * 10)

    [outcome] = folder.run(max_file_size=10)

    assert folder.names() == ["small.txt"]
    assert outcome.by_identifier["big.txt"]["reason"] == "larger than max_file_size (11 > 10 bytes)"
    assert folder.log.fields_of("file.skipped")[0]["path"] == "big.txt"


def test_a_second_run_reads_no_file_and_reports_all_as_unchanged(folder: Folder) -> None:
    for name in ("a.txt", "b.txt"):
        folder.write(name)
    folder.run()

    [outcome] = folder.run()

    assert outcome.documents == []
    assert len(outcome.unchanged) == 2


def test_a_changed_a_touched_and_a_new_file_are_read(folder: Folder) -> None:
    for name in ("changed.txt", "same.txt", "touched.txt"):
        folder.write(name)
    folder.run()
    folder.write("changed.txt", "other\n")
    folder.write("new.txt")
    os.utime(folder.path / "touched.txt", ns=(1, 1))

    [outcome] = folder.run()

    assert [d.title for d in outcome.documents] == ["changed.txt", "new.txt", "touched.txt"]
    assert outcome.unchanged == [folder.document("same.txt").id]


def test_a_file_that_changes_between_plan_and_execute_is_read(folder: Folder) -> None:
    folder.write("a.txt")
    folder.run()
    [payload] = folder.plan()
    folder.write("a.txt", "changed meanwhile\n")

    outcome = folder.execute(payload)

    assert [d.content for d in outcome.documents] == ["changed meanwhile\n"]


def test_other_tags_and_force_refresh_read_files_again(folder: Folder) -> None:
    folder.write("a.txt")
    folder.run()

    assert len(folder.run(tags=["more"])[0].documents) == 1
    assert len(folder.run(tags=["more"])[0].documents) == 0
    assert len(folder.run(tags=["more"], force_refresh=True)[0].documents) == 1


def test_documents_of_deleted_files_are_gone(folder: Folder) -> None:
    folder.write("kept.txt")
    folder.write("sub/deleted.txt")
    folder.run()
    gone = folder.document("sub/deleted.txt").id
    (folder.path / "sub/deleted.txt").unlink()

    outcomes = folder.run()

    assert [o.gone for o in outcomes] == [[], [gone]]
    assert folder.names() == ["kept.txt"]
    assert [len(o.gone) for o in folder.run()] == [0]


def test_a_file_that_comes_back_is_live_again(folder: Folder) -> None:
    folder.write("a.txt")
    folder.write("b.txt")
    folder.run()
    moved = (folder.path / "a.txt").rename(folder.path.parent / "away")
    folder.run()
    moved.rename(folder.path / "a.txt")

    folder.run()

    assert folder.names() == ["a.txt", "b.txt"]


@pytest.mark.parametrize("narrower", [{"extensions": [".md"]}, {"exclude_paths": ["sub/"]}, {"max_files": 1}])
def test_narrower_settings_do_not_make_files_gone_that_are_still_there(
    folder: Folder, narrower: dict[str, Any]
) -> None:
    folder.write("a.md")
    folder.write("sub/b.txt")
    folder.run()

    outcomes = folder.run(**narrower)

    assert [o.gone for o in outcomes] == [[], []]
    assert folder.names() == ["a.md", "sub/b.txt"]


def test_documents_of_a_folder_with_a_longer_name_are_left_alone(folder: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path / "folder-2")
    other.documents = folder.documents
    other.write("a.txt")
    folder.write("b.txt")
    other.run()
    (other.path / "a.txt").unlink()

    folder.run()

    assert other.document("a.txt").gone_at is None


def test_a_known_file_that_vanishes_before_it_is_read_is_gone(folder: Folder) -> None:
    file = folder.write("a.txt")
    folder.run()
    [payload] = folder.plan()
    file.unlink()

    outcome = folder.execute(payload)

    assert outcome.gone == [payload.files[0].document_id]
    assert outcome.warnings == []


def test_a_new_file_that_vanishes_before_it_is_read_is_a_warning(folder: Folder) -> None:
    folder.write("a.txt")
    file = folder.write("b.txt")
    [payload] = folder.plan()
    file.unlink()

    outcome = folder.execute(payload)

    assert [d.title for d in outcome.documents] == ["a.txt"]
    assert outcome.by_identifier["b.txt"]["status"] == "failed"
    assert outcome.warnings == ["b.txt: vanished since the folder was listed"]


def test_a_batch_of_which_nothing_can_be_read_fails(folder: Folder) -> None:
    files = [folder.write(name) for name in ("a.txt", "b.txt")]
    [payload] = folder.plan()
    for file in files:
        file.unlink()

    with pytest.raises(BadData, match=r"no file of 2 below .*; a\.txt: vanished"):
        folder.execute(payload)


def test_a_link_put_in_place_of_a_file_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    file = folder.write("a.txt")
    [payload] = folder.plan()
    file.unlink()
    file.symlink_to(secret)

    outcome = folder.execute(payload)

    assert outcome.documents == []


def test_planning_again_gives_the_same_jobs_although_some_are_done(folder: Folder) -> None:
    for i in range(7):
        folder.write(f"{i}.txt")
    first = folder.plan(batch_size=3)
    folder.execute(first[0])

    second = folder.plan(batch_size=3)

    assert [len(p.files) for p in first] == [3, 3, 1]
    assert [p.key for p in second] == [p.key for p in first]
    assert len({p.key for p in first}) == 3
    assert [f.path for p in first for f in p.files] == [f"{i}.txt" for i in range(7)]


def test_an_edited_file_does_not_change_the_key_of_its_batch(folder: Folder) -> None:
    folder.write("a.txt")
    [before] = folder.plan()
    folder.write("a.txt", "longer than before\n")

    [after] = folder.plan()

    assert after.key == before.key


def test_more_files_than_max_files_are_left_out_and_logged(folder: Folder) -> None:
    for i in range(5):
        folder.write(f"{i}.txt")

    payloads = folder.plan(max_files=3, batch_size=2)

    assert [len(p.files) for p in payloads] == [2, 1]
    assert folder.log.fields_of("folder.truncated")[0]["max_files"] == 3


def test_exactly_max_files_are_not_too_many(folder: Folder) -> None:
    folder.write("a.txt")

    folder.plan(max_files=1)

    assert folder.log.fields_of("folder.truncated") == []


def test_an_empty_folder_makes_no_jobs(folder: Folder) -> None:
    assert folder.plan() == []


@pytest.mark.parametrize("extensions", [["py", ".MD"], [".py", "*.md"], ["md", "py", ""]])
def test_extensions_are_taken_with_or_without_their_dot(folder: Folder, extensions: list[str]) -> None:
    for name in ("a.py", "B.MD", "c.txt", "py", "Makefile"):
        folder.write(name)

    folder.run(extensions=extensions)

    assert folder.names() == ["B.MD", "a.py", "py"]


def test_a_whole_name_and_a_double_extension_are_extensions_too(folder: Folder) -> None:
    for name in ("Makefile", "x.d.ts", "x.ts", "d.ts"):
        folder.write(name)

    folder.run(extensions=["makefile", "d.ts"])

    assert folder.names() == ["Makefile", "d.ts", "x.d.ts"]


def test_a_relative_folder_starts_at_the_definition(folder: Folder) -> None:
    folder.write("sub/a.txt")

    [payload] = folder.plan(dir_path="sub", base_dir=str(folder.path))

    assert payload.base == str(folder.path / "sub")


def test_a_missing_folder_is_named_together_with_the_fix(folder: Folder) -> None:
    with pytest.raises(BadData, match=r"dir_path 'nowhere' \(.*/folder/nowhere\) does not exist: correct dir_path"):
        folder.plan(dir_path="nowhere", base_dir=str(folder.path))


def test_a_file_in_place_of_a_folder_is_named_together_with_the_fix(folder: Folder) -> None:
    file = folder.write("a.txt")

    with pytest.raises(BadData, match="is a file: name the folder"):
        folder.plan(dir_path=str(file))


def test_path_is_another_word_for_dir_path() -> None:
    assert Config.model_validate({"path": "x"}) == Config(dir_path="x")
    assert {"path", "dir_path"} <= accepted_keys(Config)
    with pytest.raises(ValidationError):
        Config.model_validate({})


def test_names_that_are_not_utf8_are_left_out_with_a_warning(folder: Folder) -> None:
    folder.write("a.txt")
    try:
        (folder.path / os.fsdecode(b"\xff.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")

    folder.run()

    assert folder.names() == ["a.txt"]
    assert folder.log.fields_of("folder.not_readable")[0]["reason"] == "its name is not valid UTF-8"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_folders_and_files_that_may_not_be_read_are_warnings(folder: Folder) -> None:
    folder.write("a.txt")
    folder.write("b.txt").chmod(0)
    folder.write("shut/c.txt")
    (folder.path / "shut").chmod(0)

    try:
        [outcome] = folder.run()
    finally:
        (folder.path / "shut").chmod(0o700)

    assert folder.names() == ["a.txt"]
    assert outcome.warnings == ["b.txt: Permission denied"]
    assert folder.log.fields_of("folder.not_readable") == [{"path": "shut", "reason": "Permission denied"}]


def test_only_rare_encodings_are_worked_out_elsewhere(folder: Folder) -> None:
    folder.write("a.txt", "plain")
    folder.write("b.txt", "très".encode("latin-1"))

    folder.run()

    assert folder.compute.calls == ["detect_text"]


def test_the_worker_registers_under_its_names(folder: Folder) -> None:
    steps = StepManager()

    register(steps, Services(documents=folder.documents, compute=folder.compute, clock=None))  # type: ignore[arg-type]

    worker = steps.get("local_dir")
    assert (worker.job_type, worker.plan_takes_job) == ("local_dir_batch", True)
    assert set(worker.documents) <= set(CONTRACTS)

"""What the documentation says is so: everything has its place in it, examples are valid, its code runs."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from quaero import errors
from quaero.app import App, workers_without_data
from quaero.cli.main import app as command_line
from quaero.config import EngineSettings, LogSettings, ServerSettings, WorkerLimits, load
from quaero.definitions.context import LoadContext, LoadResult, WorkerSpec
from quaero.definitions.load import load_definition
from quaero.model.access import AuditEntry
from quaero.model.document import Document, DocumentQuery, SearchHit
from quaero.model.job import Counters, Job
from quaero.model.log import LogEntry
from quaero.model.schedule import Schedule
from quaero.model.status import JobStatus, StatusReason
from quaero.ports.services import Services
from quaero.queue.node import SystemClock
from quaero.queue.step_manager import StepManager, Worker, accepted_keys
from quaero.workers.agents.agent import AVAILABLE_AGENT_TYPES
from tests.engine_runs import run_to_end
from tests.fakes import FakeCompute, FakeDocuments

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")])
DEFINITIONS = sorted((ROOT / "examples").glob("*.toml"))
WORKER_MODULE = "quaero_word_count"


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*pages: Path) -> Iterator[Block]:
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield Block(page, text[: found.start()].count("\n") + 1, found[1], found[2])


TOML = [block for block in blocks(*PAGES) if block.language == "toml"]
PYTHON = [block for block in blocks(*PAGES) if block.language == "python"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("QUAERO_"):
            monkeypatch.delenv(name)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading of the second level."""
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"there is no heading {heading!r}"
    return rest.partition("\n## ")[0]


def table_row(text: str, name: str) -> str:
    found = re.search(rf"^\|[^|]*`{re.escape(name)}`.*$", text, re.MULTILINE)
    assert found, f"{name} has no row"
    return found[0]


# Everything has its place


@pytest.mark.parametrize(
    ("name", "model"), [("engine", EngineSettings), ("logs", LogSettings), ("server", ServerSettings)]
)
def test_every_setting_has_its_row_with_its_default_and_variable(name: str, model: type[BaseModel]):
    rows = section(page("settings.md"), name)
    for key, info in model.model_fields.items():
        row = table_row(rows, key)
        assert f"`QUAERO_{name}_{key}`".upper() in row.upper()
        if info.default_factory is None:
            default = str(info.default).lower() if isinstance(info.default, int | float) else f'`"{info.default}"`'
            assert f"| {default} |" in row


def test_every_setting_of_a_worker_type_has_its_row():
    rows = section(page("settings.md"), "limits")
    for key in WorkerLimits.model_fields:
        assert f"_{key.upper()}`" in table_row(rows, key)


def registered() -> list[Worker]:
    return list(workers_without_data(load(ROOT / "nowhere")))


@pytest.mark.parametrize("worker", registered(), ids=lambda worker: worker.worker_type)
def test_every_worker_has_a_section_that_names_its_parameters_and_documents(worker: Worker):
    text = section(page("workers.md"), worker.worker_type)
    for key in sorted(accepted_keys(worker.config)):
        assert f"`{key}`" in text, f"parameter {key}"
    for source_type in worker.documents:
        assert f"source type `{source_type}`" in text


def test_every_agent_type_that_runs_here_is_explained():
    for agent_type in AVAILABLE_AGENT_TYPES:
        table_row(section(page("workers.md"), "agent"), agent_type)


def test_every_error_has_a_heading_and_every_heading_its_error():
    classes = {
        name
        for name, found in inspect.getmembers(errors, inspect.isclass)
        if found.__module__ == errors.__name__ and issubclass(found, Exception)
    }
    assert set(re.findall(r"^## (\w+)$", page("errors.md"), re.MULTILINE)) == classes


def test_every_code_of_a_finding_has_its_row_and_every_row_its_code():
    source = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "src/quaero/definitions").glob("*.py"))
    known = set(re.findall(r'"(JD\d{3})"', source))
    text = section(page("job-definitions.md"), "Findings")
    assert set(re.findall(r"^\| (JD\d{3}) \|", text, re.MULTILINE)) == known


def test_every_status_and_reason_is_explained():
    text = section(page("engine.md"), "Statuses")
    for word in (*JobStatus, *StatusReason):
        table_row(text, word)


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        ("A job", Job.__struct_fields__ + Counters.__struct_fields__),
        ("A line", LogEntry.__struct_fields__),
        ("A document", Document.__struct_fields__),
        ("An entry of the audit log", AuditEntry.__struct_fields__),
        ("A schedule", Schedule.__struct_fields__),
        ("A hit", tuple(name for name in SearchHit.__struct_fields__ if name != "document_id")),
    ],
)
def test_every_key_that_json_prints_is_named(heading: str, fields: tuple[str, ...]):
    text = section(page("json.md"), heading)
    missing = [name for name in fields if f"`{name}`" not in text]
    assert not missing


def test_every_command_in_the_documentation_exists():
    known = {name for name in command_line if not name.startswith("-")}
    for one in PAGES:
        text = one.read_text(encoding="utf-8")
        for command in re.findall(r"(?:^|`|bin/)quaero ([a-z][a-z-]*)", text, re.MULTILINE):
            assert command in known, f"{one.name}: quaero {command}"


# Examples are valid


@pytest.fixture(scope="module")
def word_count() -> Iterator[ModuleType]:
    """The worker of CONTRIBUTING, as an installed module."""
    text = next(block.text for block in PYTHON if "def register(" in block.text)
    module = ModuleType(WORKER_MODULE)
    sys.modules[WORKER_MODULE] = module
    exec(compile(text, "CONTRIBUTING.md", "exec"), module.__dict__)
    yield module
    del sys.modules[WORKER_MODULE]


@pytest.fixture
def workers(word_count: ModuleType, tmp_path: Path) -> StepManager:
    """All workers, and the one of CONTRIBUTING."""
    app = App(load(tmp_path / "registry"))
    word_count.register(app.workers, app.services)
    app.close()
    return app.workers


def checked(text: str, file: str, workers: StepManager) -> LoadResult:
    catalog = {worker.worker_type: WorkerSpec(worker.worker_type, worker.config) for worker in workers}
    return load_definition(text, file=file, context=LoadContext(catalog=catalog, agent_types=AVAILABLE_AGENT_TYPES))


def faults(result: LoadResult) -> list[str]:
    """Errors, but for workers that are documented and not built."""
    return [str(f) for f in result.errors if not (f.code == "JD011" and "not available" in f.message)]


@pytest.mark.parametrize("block", TOML, ids=str)
def test_definitions_in_the_documentation_are_valid(block: Block, workers: StepManager):
    content = tomllib.loads(block.text)
    if "id" in content:
        assert not faults(checked(block.text, str(block), workers))
    elif "step" in content:
        whole = f'id = "example"\nname = "Example"\n{block.text}'
        assert not faults(checked(whole, str(block), workers))


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.name)
def test_examples_run_here_without_a_warning(file: Path, workers: StepManager):
    result = checked(file.read_text(encoding="utf-8"), str(file), workers)

    assert [str(finding) for finding in result.findings] == []


def test_the_settings_file_in_the_documentation_can_be_loaded(tmp_path: Path):
    [block] = [block for block in TOML if block.page == DOCS / "settings.md"]
    (tmp_path / "quaero.toml").write_text(block.text, encoding="utf-8")

    config = load(tmp_path)

    assert "quaero.toml" in config.origins.values()


# Code runs


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_in_the_documentation_compiles(block: Block):
    compile(block.text, str(block), "exec")


def test_the_tests_of_the_worker_in_contributing_pass(word_count: ModuleType):
    text = next(block.text for block in PYTHON if "def test_" in block.text)
    names: dict[str, object] = {}
    exec(compile(text, "CONTRIBUTING.md", "exec"), names)

    tests = [found for name, found in names.items() if name.startswith("test_") and callable(found)]

    assert len(tests) == 2
    for test in tests:
        test()


def test_the_package_in_contributing_offers_its_worker(word_count: ModuleType):
    package = next(tomllib.loads(b.text) for b in TOML if "[project.entry-points" in b.text)

    [(worker_type, target)] = package["project"]["entry-points"]["quaero.workers"].items()

    module, _, function = target.partition(":")
    assert module == WORKER_MODULE
    workers = StepManager()
    services = Services(documents=FakeDocuments(), compute=FakeCompute(), clock=SystemClock())
    getattr(word_count, function)(workers, services)
    assert workers.find(worker_type) is not None


def test_the_worker_in_contributing_runs(word_count: ModuleType, tmp_path: Path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "long.md").write_text("# Long\n\n" + "word " * 20, encoding="utf-8")
    (folder / "short.md").write_text("# Short\n", encoding="utf-8")
    text = next(block.text for block in TOML if 'type = "word_count"' in block.text)
    app = App(load(tmp_path / "data"))
    try:
        word_count.register(app.workers, app.services)
        definition = checked(text, str(folder / "word-count.toml"), app.workers).definition
        assert definition is not None

        run = run_to_end(app, definition)

        assert (run.status, run.has_errors) == (JobStatus.COMPLETED, False)
        query = DocumentQuery(manager_id=run.id, source_type="word_count")
        [made], _ = app.documents.list_documents(query, limit=10)
        assert made.metadata["words"] == 22
        [source] = app.documents.lineage(made.id).derived_from
        assert source.source_id == str(folder / "long.md")
    finally:
        app.close()


# Links and words


def slug(heading: str) -> str:
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(file: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(file: Path):
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (file.parent / path).resolve() if path else file
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def repository_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing says which files belong to it")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


FORBIDDEN = [
    # Hosts of package registries: where packages come from is everyone's own choice.
    *(re.escape(first + second) for first, second in [
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("registry.npm", "js.org"),
        ("npm", "js.com"),
        ("crates", ".io"),
        ("proxy.go", "lang.org"),
        ("ruby", "gems.org"),
    ]),
    # Paths of somebody's machine.
    r"(?<![\w.])/" + r"work/\w",
    r"(?<![\w.])/" + r"root/\w",
    r"(?<![\w.])/" + r"home/(?!tests\b)\w",
    r"(?<![\w.])/" + r"Users/\w",
    r"[A-Z]:\\{1,2}" + r"Users\\",
]  # fmt: skip


def test_no_file_names_a_registry_or_the_path_of_a_machine():
    forbidden = re.compile("|".join(FORBIDDEN))
    found = []
    for file in repository_files():
        text = file.read_bytes().decode("utf-8", "replace")
        for match in forbidden.finditer(text):
            line = text[: match.start()].count("\n") + 1
            found.append(f"{file.relative_to(ROOT)}:{line}: {match[0]}")
    assert not found

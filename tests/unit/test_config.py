"""Settings: where each comes from, and what is said about one that can't be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quaero.config import Config, EngineSettings, PostgresServer, PostgresSettings, SqliteFile, load
from quaero.errors import ConfigError
from quaero.model.definition import Limits, Rate
from quaero.model.log import LogLevel


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("QUAERO_"):
            monkeypatch.delenv(name)


@pytest.fixture
def load_text(tmp_path):
    def loaded(text: str = "") -> Config:
        (tmp_path / "quaero.toml").write_text(text, encoding="utf-8")
        return load(tmp_path)

    return loaded


def refusal(load_text, text: str = "") -> str:
    with pytest.raises(ConfigError) as refused:
        load_text(text)
    return str(refused.value)


def test_without_a_file_everything_has_its_default(tmp_path):
    config = load(tmp_path)

    assert config.engine.slots == 128
    assert config.engine.synchronous == "FULL"
    assert config.engine.processes >= 1
    assert config.logs.level is LogLevel.DEBUG
    assert config.limits == {}
    assert set(config.origins.values()) == {"default", "command line"}


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(load_text, monkeypatch):
    monkeypatch.setenv("QUAERO_ENGINE_SLOTS", "4")
    monkeypatch.setenv("QUAERO_LOGS_LEVEL", "debug")

    config = load_text("[engine]\nslots = 8\nlease_seconds = 30\n")

    assert (config.engine.slots, config.engine.lease_seconds, config.engine.claim_max) == (4, 30, 2000)
    assert config.logs.level is LogLevel.DEBUG
    assert config.origins["engine.slots"] == "environment QUAERO_ENGINE_SLOTS"
    assert config.origins["engine.lease_seconds"] == "quaero.toml"
    assert config.origins["engine.claim_max"] == "default"
    assert config.origins["logs.level"] == "environment QUAERO_LOGS_LEVEL"


def test_an_empty_variable_counts_as_unset(load_text, monkeypatch):
    monkeypatch.setenv("QUAERO_ENGINE_SLOTS", "")

    config = load_text("[engine]\nslots = 8\n")

    assert config.engine.slots == 8
    assert config.origins["engine.slots"] == "quaero.toml"


def test_limits_come_from_file_and_environment_together(load_text, monkeypatch):
    monkeypatch.setenv("QUAERO_LIMITS_LOCAL_DIR_CONCURRENCY", "3")
    monkeypatch.setenv("QUAERO_LIMITS_AGENT_RATE", "90/m")

    config = load_text('[limits.local_dir]\nrate = "10/s"\nconcurrency = 9\n[limits.crawler]\nrate = "5/h"\n')

    assert config.limits == {
        "local_dir": Limits(concurrency=3, rate=Rate(10, 1)),
        "agent": Limits(rate=Rate(90, 60)),
        "crawler": Limits(rate=Rate(5, 3600)),
    }
    assert config.origins["limits.local_dir.rate"] == "quaero.toml"
    assert config.origins["limits.local_dir.concurrency"] == "environment QUAERO_LIMITS_LOCAL_DIR_CONCURRENCY"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[engine]\n\nslot = 8\n", ":3: [engine] slot: unknown key; did you mean slots?"),
        ("# all\n[engin]\nslots = 8\n", ":2: [engin]: unknown section; did you mean engine?"),
        ("slots = 8\n", ":1: [slots]: unknown key; did you mean logs?"),
        ("[keys]\ntoken = 'x'\n", ":1: [keys]: not a section; keys are stored with: quaero keys set NAME"),
        ("[logs]\ncolour = 1\n", ":2: [logs] colour: unknown key; known here: job_head_lines, job_tail_lines, "),
        ("[limits.agent]\nkey = 'x'\n", ":2: [limits.agent] key: unknown key; known here: concurrency, rate"),
        ("[postgres]\npool = 3\n", ":2: [postgres] pool: unknown key; known here: readers, answer_seconds"),
        ("[engine]\ncapabilities = ['A B']\n", ":2: [engine] capabilities: must be lower-case letters"),
        ("[engine]\nslots = 0\n", ":2: [engine] slots: must be greater than 0, not 0"),
        ("[engine]\nlease_seconds = inf\n", ":2: [engine] lease_seconds: must be a finite number, not inf"),
        ("[engine]\nslots = 'many'\n", ":2: [engine] slots: must be a valid integer"),
        ("[engine]\nsynchronous = 'OFF'\n", ":2: [engine] synchronous: must be 'FULL' or 'NORMAL', not 'OFF'"),
        ("[engine]\nrenew_seconds = 12\n", ":1: [engine]: renew_seconds (12) must be less than 0.6 of lease_seconds"),
        ("engine = 3\n", ":1: [engine]: must be a table of settings"),
        ("[limits]\nagent = 3\n", ":2: [limits] agent: must be a table of settings"),
        ("[limits.agent]\nrate = '10/d'\n", ":2: [limits.agent] rate: must be starts per second, minute or hour"),
        ("[engine]\nslots =\n", ":2: not valid TOML: "),
        ("[engine]\nslots = '''", ":2: not valid TOML: "),
    ],
)
def test_a_bad_file_is_refused_with_its_place(load_text, tmp_path, text, message):
    assert refusal(load_text, text).startswith(f"{tmp_path / 'quaero.toml'}{message}")


def test_everything_wrong_is_said_at_once(load_text):
    assert len(refusal(load_text, "[engine]\nslots = 0\nslot = 1\n[logs]\nrun_lines = -1\n").splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("QUAERO_ENGINE_SLOT", "8", "QUAERO_ENGINE_SLOT: unknown setting; did you mean QUAERO_ENGINE_SLOTS"),
        ("QUAERO_ENGINE_SLOTS", "many", "QUAERO_ENGINE_SLOTS: must be a valid integer"),
        ("QUAERO_LOG_LEVEL", "info", "QUAERO_LOG_LEVEL: unknown setting; did you mean QUAERO_LOGS_LEVEL?"),
        ("QUAERO_ENGINE", "{}", "QUAERO_ENGINE: names a section; set one variable for each key"),
        ("QUAERO_ENGINE_RENEW_SECONDS", "19", "QUAERO_ENGINE_RENEW_SECONDS: renew_seconds (19) must be less than"),
        ("QUAERO_LIMITS_AGENT_SPEED", "1", "QUAERO_LIMITS_AGENT_SPEED: must be a table of settings"),
        ("QUAERO_LIMITS_AGENT_RATE", "often", "QUAERO_LIMITS_AGENT_RATE: must be starts per second"),
        ("QUAERO_DATBASE", "x", "QUAERO_DATBASE: unknown setting; did you mean QUAERO_DATABASE?"),
    ],
)
def test_a_bad_variable_is_refused_by_name(load_text, monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)

    assert refusal(load_text).startswith(message)


@pytest.mark.parametrize("name", ["QUAERO_PORT", "QUAERO_SERVICE_HOST", "QUAERO_SECRET_KEY", "QUAERO_PORT_80_TCP"])
def test_variables_of_others_are_left_alone(load_text, monkeypatch, name):
    monkeypatch.setenv(name, "tcp://10.0.0.1:80")

    assert load_text().engine.slots == 128


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "quaero.toml").mkdir()
    with pytest.raises(ConfigError, match=r"quaero\.toml: can't be read"):
        load(tmp_path)

    (tmp_path / "quaero.toml").rmdir()
    (tmp_path / "quaero.toml").write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match=r"quaero\.toml: not UTF-8 at byte 2"):
        load(tmp_path)


def test_a_byte_order_mark_does_no_harm(load_text):
    assert load_text("\ufeff[engine]\nslots = 8\n").engine.slots == 8


def test_the_data_folder_is_the_argument_or_the_variable_or_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    default = load()
    monkeypatch.setenv("QUAERO_DATA", str(tmp_path / "variable"))
    variable = load()
    argument = load(tmp_path / "argument")

    assert default.data.name == "quaero"
    assert variable.data == tmp_path / "variable"
    assert argument.data == tmp_path / "argument"
    assert [config.origins["data"] for config in (default, variable, argument)] == [
        "default",
        "environment QUAERO_DATA",
        "command line",
    ]
    assert not argument.data.exists()


def test_the_data_folder_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert load(Path("here")).data == tmp_path / "here"


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_a_database_elsewhere_is_used(tmp_path, monkeypatch, prefix):
    monkeypatch.setenv("QUAERO_DATABASE", f"{prefix}{tmp_path}/other.db")

    config = load(tmp_path / "data")

    assert config.database == SqliteFile(tmp_path / "other.db")
    assert config.origins["database"] == "environment QUAERO_DATABASE"


def test_the_database_lies_in_the_data_folder_otherwise(tmp_path):
    assert load(tmp_path).database == SqliteFile(tmp_path / "quaero.db")


def test_a_path_in_the_file_counts_from_the_data_folder(load_text, tmp_path, monkeypatch):
    monkeypatch.chdir("/")

    config = load_text('database = "other/my.db"\n')

    assert config.database == SqliteFile(tmp_path / "other" / "my.db")
    assert config.origins["database"] == "quaero.toml"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@db.example.org:5433/quaero", "postgresql://me@db.example.org:5433/quaero"),
        ("postgres://me:s3%40cret@host/db", "postgresql://me@host/db"),
        ("PostgreSQL://host/db", "postgresql://host/db"),
        ("postgresql:///db", "postgresql://localhost/db"),
        ("postgresql://me@[::1]:5432/db?sslmode=require&password=s3cret", "postgresql://me@[::1]:5432/db"),
        ("postgresql://me:s3cret@a:1,b:2/db?target_session_attrs=primary", "postgresql://me@a:1,b:2/db"),
        ("postgresql://me@/db?host=/run/pg&port=5433", "postgresql://me@/run/pg:5433/db"),
    ],
)
def test_a_server_is_named_in_file_or_environment_and_its_password_never_shown(load_text, monkeypatch, url, shown):
    by_file = load_text(f'database = "{url}"\n[postgres]\nreaders = 2\n')
    monkeypatch.setenv("QUAERO_DATABASE", url)
    by_variable = load_text()

    for config, origin in ((by_file, "quaero.toml"), (by_variable, "environment QUAERO_DATABASE")):
        assert isinstance(config.database, PostgresServer)
        assert config.database.url == url
        assert str(config.database) == shown
        assert "cret" not in repr(config)
        assert config.origins["database"] == origin
    assert by_file.postgres.readers == 2
    assert by_variable.postgres.answer_seconds == 30


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:s3cret@host/db", "can't use a mysql database; give the path of an SQLite file, or a URL: "),
        ("postgresql://me:s3/cret@host/db", "not a usable PostgreSQL URL; write postgresql://USER:PASSWORD@HOST:PORT"),
        ("postgresql://me:s3@cret@host/db", "not a usable PostgreSQL URL"),
        ("postgresql://me:s3#cret@host/db", "not a usable PostgreSQL URL"),
        ("postgresql://me:s3?cret@host/db", "not a usable PostgreSQL URL"),
        ("postgresql://me:3?cret@host/db", "not a usable PostgreSQL URL"),
        ("postgresql://me:s3 cret@host/db", "not a usable PostgreSQL URL"),
        ("postgresql://host:s3cret/db", "not a usable PostgreSQL URL"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_without_its_password(load_text, tmp_path, monkeypatch, url, message):
    in_file = refusal(load_text, f'\ndatabase = "{url}"\n')
    monkeypatch.setenv("QUAERO_DATABASE", url)
    in_variable = refusal(load_text)

    assert in_file.startswith(f"{tmp_path / 'quaero.toml'}:2: database: {message}")
    assert in_variable.startswith(f"QUAERO_DATABASE: {message}")
    assert "cret" not in in_file + in_variable


def test_a_database_is_a_text(load_text, tmp_path):
    place = tmp_path / "quaero.toml"

    assert refusal(load_text, "database = 3\n") == f"{place}:1: database: must be a valid string, not 3"
    assert refusal(load_text, 'databse = "x"\n').endswith("did you mean database?")


def test_capabilities_are_a_list_or_words_with_commas(load_text, monkeypatch):
    by_file = load_text('[engine]\ncapabilities = ["browser", "gpu"]\n')
    monkeypatch.setenv("QUAERO_ENGINE_CAPABILITIES", "browser, llm")
    by_variable = load_text()

    assert by_file.engine.capabilities == ("browser", "gpu")
    assert by_variable.engine.capabilities == ("browser", "llm")
    monkeypatch.setenv("QUAERO_ENGINE_CAPABILITIES", "a b")
    assert refusal(load_text).startswith("QUAERO_ENGINE_CAPABILITIES")


def test_every_setting_says_what_it_means():
    for model in (EngineSettings, PostgresSettings):
        assert all(field.description for field in model.model_fields.values())


def test_settings_cannot_be_changed(tmp_path):
    config = load(tmp_path)

    with pytest.raises(ValueError, match="frozen"):
        config.engine.slots = 1

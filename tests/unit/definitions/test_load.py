"""What a text becomes: the fields of its ``JobDefinition``."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from quaero.definitions.catalog import TYPES
from quaero.definitions.context import KnownDefinition, WorkerSpec, peek
from quaero.definitions.header import TOP_KEYS
from quaero.definitions.load import load_definition
from quaero.definitions.overrides import override_config, parse_value
from quaero.definitions.steps import STEP_KEYS
from quaero.errors import ConfigError, InvalidDefinition
from quaero.model.definition import CachePolicy, JobDefinition, Limits, Rate, RetryPolicy, StepDefinition, StepFilter
from tests.unit.definitions.worlds import HEADER, MODELS, Folder, Model, examples, found, load, world

CRAWL = '[step.fetch]\ntype = "crawler"\nstart_urls = ["https://example.org"]\n'
MAIL = '[step.mail]\ntype = "email"\nto = "x"\n'


def define(text: str, **changes: object) -> JobDefinition:
    result = load(HEADER + text, **changes)
    assert result.definition, result.findings
    return result.definition


def step(text: str, **changes: object) -> StepDefinition:
    return define(text, **changes).steps[0]


@pytest.mark.parametrize("example", examples())
def test_an_example_of_the_specification_is_without_findings(example):
    result = load(examples()[example])

    assert result.findings == ()
    assert result.definition
    assert result.definition.id == example


@pytest.mark.parametrize("example", examples())
def test_an_example_lacks_nothing_but_workers_where_there_are_none(example):
    result = load(examples()[example], catalog={}, agent_types=())

    assert {f.code for f in result.findings} == {"JD011"}
    assert all(f.message.startswith("worker type ") and "is not available here" in f.message for f in result.findings)
    assert result.definition is None


@pytest.mark.parametrize("example", examples())
def test_a_definition_survives_the_store(example):
    definition = load(examples()[example]).definition

    assert msgspec.json.decode(msgspec.json.encode(definition), type=JobDefinition) == definition


def test_the_documentation_crawl_is_read_in_full():
    definition = load(examples()["handbook-crawl"]).definition

    assert definition.schedule == "15 5 * * 1"
    assert definition.timezone == "Europe/Vienna"
    assert definition.timeout == 3_000
    assert definition.type == "crawler"
    assert definition.tolerance.max_child_failures == 25
    assert definition.tolerance.failure_action == "mark_warning"
    fetch, tag, digest = definition.steps
    assert fetch.retry == RetryPolicy(max_attempts=4, backoff=3)
    assert fetch.parameters["rate_limit"] == 1500
    assert tag.depends == ("fetch_pages",)
    assert tag.filter == StepFilter(tags=("handbook",))
    assert tag.parameters == {"agent_type": "keyword_extractor", "max_keywords": 8, "batch_mode": False}
    assert digest.inputs == ("fetch_pages",)
    assert digest.output_tags == ("handbook-digest",)
    assert digest.condition == "steps.fetch_pages.documents > 0"
    assert [s.position for s in definition.steps] == [0, 1, 2]


def test_tickers_come_from_the_variables():
    definition = load(examples()["alpine-miners-rating"]).definition

    assert definition.step("bfs").parameters["tickers"] == ["ASX:AAA", "ASX:BBB", "ASX:CCC"]
    assert "tickers" not in definition.step("letter").parameters


def test_tickers_are_the_union_of_all_sources_in_order():
    text = (
        '[config]\nmain = "ASX:M"\nvariables = [{ asx_code = "v" }, { ticker = "asx:m" }, { note = "x" }]\n'
        '[step.m]\ntype = "market_data"\nasx_codes = ["D"]\ntickers = ["C", "A"]\nasx_code = "B"\n'
        'ticker = ["A", "{config.main}"]\n'
    )

    assert step(text).parameters == {"tickers": ["A", "ASX:M", "B", "C", "D", "v"]}
    assert found(HEADER + text) == []


def test_placeholders_stay_in_the_parameters():
    parameters = step('[config]\nwho = "a@b"\n[step.mail]\ntype = "email"\nto = "{config.who}"\n').parameters

    assert parameters == {"to": "{config.who}"}


def test_unknown_parameters_are_dropped_at_every_depth():
    parameters = step(
        '[step.p]\ntype = "places_search"\nsearch_query = "q"\nodd = 1\n'
        "location = { latitude = 1, longitude = 2, odd = 3 }\n"
    ).parameters

    assert parameters == {"search_query": "q", "location": {"latitude": 1, "longitude": 2}}


def test_a_model_that_takes_anything_gets_everything_but_step_keys():
    assert step('[step.f]\ntype = "free"\nodd = 1\npriority = 3\n').parameters == {"odd": 1}


def test_the_config_table_of_a_step_is_merged_and_the_step_wins():
    made = step(CRAWL + 'max_depth = 1\n[step.fetch.config]\nmax_depth = 5\nmax_pages = 7\noutput_tags = ["a"]\n')

    assert made.parameters["max_depth"] == 1
    assert made.parameters["max_pages"] == 7
    assert made.output_tags == ("a",)


def test_the_short_form_makes_one_crawl_step():
    made = step('start_urls = ["https://example.org"]\nmax_depth = 1\n')

    assert (made.name, made.type) == ("crawl", "crawler")
    assert made.parameters == {"start_urls": ["https://example.org"], "max_depth": 1}


def test_the_short_form_may_name_a_source_instead_of_urls():
    class Source(Model):
        base_url: str
        source_type: str

    made = step(
        'base_url = "https://jira.example.org"\nsource_type = "jira"\n',
        catalog={"crawler": WorkerSpec("crawler", Source)},
    )

    assert made.parameters == {"base_url": "https://jira.example.org", "source_type": "jira"}


@pytest.mark.parametrize("depends", ['"mail, fetch"', '["mail", "fetch", "mail"]'])
def test_depends_is_a_comma_list_or_an_array(depends):
    text = MAIL + CRAWL + f'[step.last]\ntype = "email"\nto = "x"\ndepends = {depends}\n'

    assert define(text).step("last").depends == ("mail", "fetch")


@pytest.mark.parametrize(
    ("text", "attempts"),
    [
        ("", 1),
        ('on_error = "retry"\n', 3),
        ("[step.fetch.retry]\n", 3),
        ('on_error = "retry"\n[step.fetch.retry]\nmax_attempts = 5\n', 5),
    ],
)
def test_attempts_follow_on_error_and_the_retry_table(text, attempts):
    assert step(CRAWL + text).retry.max_attempts == attempts


def test_limits_are_read():
    limits = step(CRAWL + '[step.fetch.limits]\nconcurrency = 2\nrate = "10/m"\nkey = "{payload.host}"\n').limits

    assert limits == Limits(concurrency=2, rate=Rate(10, 60), key="{payload.host}")


def test_the_step_cache_takes_its_defaults_from_config():
    text = '[config]\ncache = true\ncache_type = "hard_time"\ncache_hours = 3\nrevisions = 2\n' + CRAWL

    assert step(text).cache == CachePolicy(enabled=True, type="hard_time", hours=3, revisions=2)
    assert step(text + "cache = false\ncache_hours = 0\n").cache == CachePolicy(type="hard_time", hours=0, revisions=2)


def test_cache_hours_belong_to_a_worker_that_has_them():
    made = step('[step.m]\ntype = "market_data"\nticker = "A"\ncache_hours = 5\n')

    assert made.parameters["cache_hours"] == 5
    assert made.cache.hours == 24


def test_filters_reach_the_step_and_a_worker_that_has_the_field():
    text = (
        '[step.a]\ntype = "agent"\nagent_type = "rule_classifier"\nfilter_category = ["a", "b"]\nfilter_limit = 3\n'
        "filter_created_after = 2025-01-01T00:00:00+01:00\n"
    )

    made = step(text)

    assert made.filter == StepFilter(category=("a", "b"), limit=3, created_after="2025-01-01T00:00:00+01:00")
    assert made.parameters == {"agent_type": "rule_classifier", "filter_category": ["a", "b"]}
    assert step(text.replace("agent", "free", 1).replace('["a", "b"]', '"a"')).filter.category == ("a",)


def test_step_keys_of_the_engine_never_reach_the_worker():
    made = step(MAIL + 'inputs = ["mail"]\ninput_tags = "a"\noutput_tags = ["b"]\ntimeout = "1h"\njob_timeout = "5m"\n')

    assert made.parameters == {"to": "x"}
    assert (made.inputs, made.input_tags, made.output_tags) == (("mail",), ("a",), ("b",))
    assert (made.timeout, made.job_timeout) == (3_600, 300)


def test_config_may_be_used_in_the_keys_of_the_engine():
    made = step('[config]\ntag = "t"\np = 7\n' + CRAWL + 'output_tags = ["{config.tag}"]\npriority = "{config.p}"\n')

    assert made.output_tags == ("t",)
    assert made.priority == 7


def test_a_definition_of_the_reference_is_accepted():
    text = """
type = "market_worker"
job_type = "system"
description = "old"
schedule = ""
timeout = ""
enabled = true
auto_start = false
extension = true
url_patterns = ["*.example.org/*"]
authentication = "handbook-sso"
[meta]
anything = { goes = ["here"] }
[template]
namespace = "stock"
[config]
benchmarks = [{ code = "XJO", name = "ASX 200" }]
[step.a]
type = "market_data"
asx_code = "GNP"
[step.b]
type = "transform"
depends = "a"
[step.c]
type = "summary"
depends = ["a", "b"]
prompt = 'Say {"json": {"key": "{stock:ticker}"}}'
"""

    assert found(HEADER + text) == ["JD011 24:1 step.b.type"]


def test_comments_and_form_do_not_change_the_hash():
    plain = define(CRAWL).hash
    other = define("# note\n" + CRAWL.replace(" = ", "=") + "\n\n").hash

    assert plain == other
    assert len(plain) == 64


def test_content_and_the_order_of_steps_change_the_hash():
    assert define(CRAWL + "max_depth = 1").hash != define(CRAWL + "max_depth = 2").hash
    assert define(CRAWL + MAIL).hash != define(MAIL + CRAWL).hash


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    definition = load_definition(HEADER + CRAWL, file="sub/x.toml", context=world()).definition

    assert definition.base_dir == str(Path(tmp_path).resolve() / "sub")


def test_overrides_are_in_place_before_anything_is_checked():
    text = '[config]\nhours = 3\n[step.m]\ntype = "market_data"\ncache_hours = "{config.hours}"\n'

    definition = define(text, overrides={"variables": '[{ ticker = "A" }]', "max_parallel_steps": "1", "hours": "5"})

    assert definition.config["hours"] == 5
    assert definition.max_parallel_steps == 1
    assert definition.steps[0].parameters["tickers"] == ["A"]
    assert found(HEADER + text, overrides={"hours": "many", "variables": '[{ ticker = "A" }]'}) == [
        "JD012 7:1 step.m.cache_hours"
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("true", True),
        ('"3"', "3"),
        ('["a", 1]', ["a", 1]),
        ("hello world", "hello world"),
        ("", ""),
        ("1\nb = 2", "1\nb = 2"),
        ("2025-01-01", "2025-01-01"),
        ("a@b.org", "a@b.org"),
    ],
)
def test_a_value_is_toml_where_it_can_be_and_text_elsewhere(text, value):
    assert parse_value(text) == value


def test_override_config_gives_a_changed_definition_with_its_own_hash():
    definition = define("[config]\na = 1\n" + CRAWL)

    changed = override_config(definition, {"a": "2", "deep.er": "x", "priority": "4"})

    assert changed.config == {"a": 2, "deep": {"er": "x"}, "priority": 4}
    assert changed.priority == 4
    assert changed.hash != definition.hash
    assert changed.hash == override_config(definition, {"priority": "4", "deep.er": "x", "a": "2"}).hash
    assert definition.config == {"a": 1}
    assert override_config(definition, {"a": "1"}) is definition


@pytest.mark.parametrize("key", ["", "a.", "a.b"])
def test_a_key_that_cannot_be_set_is_refused(key):
    with pytest.raises(ConfigError):
        override_config(define("[config]\na = 1\n" + CRAWL), {key: "1"})


def test_an_override_that_the_engine_cannot_use_is_refused():
    with pytest.raises(InvalidDefinition, match="max_parallel_steps"):
        override_config(define(CRAWL), {"max_parallel_steps": "0"})


def test_peek_reads_id_and_relations_of_any_text():
    assert peek('id = "a"\npre_jobs = ["b"]\nstep = 1', file="a.toml") == ("a", KnownDefinition("a.toml", ("b",)))
    assert peek("id = ", file="a.toml") is None
    assert peek('name = "a"', file="a.toml") is None


def test_aliases_of_a_parameter_are_known():
    made = step('[step.d]\ntype = "local_dir"\npath = "docs"\n')

    assert made.parameters == {"path": "docs"}
    assert Folder.model_validate(made.parameters).dir_path == "docs"


def test_every_fake_worker_but_one_is_a_documented_type():
    assert set(MODELS) - TYPES == {"free"}


def test_what_happens_to_missed_times_of_a_schedule():
    plain = define(CRAWL)
    told = define(f'schedule_jitter = "10m"\nmisfire = "all"\nmisfire_window = "0s"\n{CRAWL}')

    assert (plain.schedule_jitter, plain.misfire, plain.misfire_window) == (0, "one", 86_400)
    assert (told.schedule_jitter, told.misfire, told.misfire_window) == (600, "all", 0)


ODD_VALUES = [
    *("1", "-1", "nan", "true", '""', '"{x}"', '"{config.c}"'),
    *("[]", "[1]", "[[]]", '["", "{"]', "{}", "{ a = 1 }", "1979-05-27", "07:32:00"),
]
CONFIG_KEYS = ("variables", "cache", "cache_hours", "max_parallel_steps", "overlap", "singleton", "default_exchange")
NESTED_KEYS = (
    *("retry.max_attempts", "retry.backoff", "retry.jitter", "config.x"),
    *("limits.concurrency", "limits.rate", "limits.key"),
)
WORKER_KEYS = {"tickers", "ticker", "api_key", "operation_type", "agent_type", "include_patterns"}


@pytest.mark.parametrize("value", ODD_VALUES)
def test_no_value_of_any_key_brings_the_check_down(value):
    texts = [
        *(f"{key} = {value}\n{HEADER}" for key in TOP_KEYS - {"id", "name"} | {"steps"}),
        *(f"{key} = {value}\n{CRAWL}" for key in ("id", "name")),
        *(f"{HEADER}[config]\n{key} = {value}\n{CRAWL}" for key in CONFIG_KEYS),
        *(f"{HEADER}{CRAWL}{key} = {value}\n" for key in NESTED_KEYS),
        *(f"{HEADER}[config]\nc = {value}\n{CRAWL}{key} = {value}\n" for key in STEP_KEYS - {"type"}),
        *(f'{HEADER}[step.a]\n{key} = {value}\ntype = "agent"\n' for key in WORKER_KEYS),
        *(f'{HEADER}[step.a]\n{key} = {value}\ntype = "market_data"\n' for key in WORKER_KEYS | {"cache_hours"}),
        f"{HEADER}[step.a]\ntype = {value}\n",
        f"{HEADER}[step]\na = {value}\n",
    ]

    for text in texts:
        result = load(text)
        assert (result.definition is None) == bool(result.errors)
        assert len(result.findings) == len(set(result.findings))

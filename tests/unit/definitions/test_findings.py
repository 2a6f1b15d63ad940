"""Every code of the definition check, at the exact place of its fault."""

from __future__ import annotations

import pytest

from tests.unit.definitions.worlds import HEADER, found, known, load

CRAWL = '[step.fetch]\ntype = "crawler"\nstart_urls = ["https://example.org"]\n'
MAIL = '[step.mail]\ntype = "email"\n'


def steps(text: str) -> str:
    return HEADER + text


CASES = {
    "JD001 a broken line": ('id = "t"\nname = \n', ["JD001 2:8 "]),
    "JD001 a text that ends too early": ('id = "t', ["JD001 1:8 "]),
    "JD001 a key given twice": ("a = 1\na = 2\n", ["JD001 2:6 "]),
    "JD002 no id": ('name = "T"\n' + CRAWL, ["JD002 1:1 id"]),
    "JD002 an empty id": ('name = "T"\nid = ""\n' + CRAWL, ["JD002 2:1 id"]),
    "JD003 no name": ('id = "t"\n' + CRAWL, ["JD003 1:1 name"]),
    "JD004 an id with capitals": ('id = "T x"\nname = "T"\n' + CRAWL, ["JD004 1:1 id"]),
    "JD004 an id that is a number": ('id = 5\nname = "T"\n' + CRAWL, ["JD004 1:1 id"]),
    "JD004 a bad step name": (steps('[step."A b"]\ntype = "email"\nto = "x"'), ["JD004 3:7 step.A b"]),
    "JD004 a reserved step name": (steps('[step.meta]\ntype = "email"\nto = "x"'), ["JD004 3:7 step.meta"]),
    "JD005 steps as an array": (steps('\n[[steps]]\nname = "a"\n[[steps]]\nname = "b"\n'), ["JD005 4:1 steps"]),
    "JD005 step as an array": (steps('[[step]]\ntype = "email"\n'), ["JD005 3:1 step"]),
    "JD006 nothing to do": (HEADER, ["JD006 1:1 "]),
    "JD010 a step without type": (steps('# note\n[step.a]\nto = "x"\n'), ["JD010 4:1 step.a.type"]),
    "JD010 a step without a header": (steps('[step]\n a.to = "x"\n'), ["JD010 4:2 step.a.type"]),
    "JD011 an unknown type": (steps('[step.a]\n  type = "crawlr"\n'), ["JD011 4:3 step.a.type"]),
    "JD011 a type that is not built": (steps('[step.a]\ntype = "web_search"\n'), ["JD011 4:1 step.a.type"]),
    "JD011 an agent type that is not built": (
        steps('[step.a]\ntype = "agent"\nagent_type = "web_enricher"\n'),
        ["JD011 5:1 step.a.agent_type"],
    ),
    "JD011 an unknown agent type": (
        steps('[step.a]\ntype = "agent"\nagent_type = "rule_clasifier"\n'),
        ["JD011 5:1 step.a.agent_type"],
    ),
    "JD012 a missing parameter": (steps("\n" + MAIL), ["JD012 4:1 step.mail.to"]),
    "JD012 a parameter of the wrong type": (steps(CRAWL + 'max_depth = "deep"'), ["JD012 6:1 step.fetch.max_depth"]),
    "JD012 a parameter out of range": (steps(CRAWL + "max_depth = -1"), ["JD012 6:1 step.fetch.max_depth"]),
    "JD012 an element of a list": (
        steps(CRAWL + "include_patterns = ['a', 1]"),
        ["JD012 6:1 step.fetch.include_patterns[1]"],
    ),
    "JD012 a key missing in a table below": (
        steps('[step.p]\ntype = "places_search"\nsearch_query = "q"\n[step.p.location]\nlatitude = 1\n'),
        ["JD012 6:1 step.p.location.longitude"],
    ),
    "JD012 a missing parameter known by two names": (
        steps('[step.d]\ntype = "local_dir"\n'),
        ["JD012 3:1 step.d.dir_path"],
    ),
    "JD012 no ticker from anywhere": (steps('[step.m]\ntype = "market_data"\n'), ["JD012 3:1 step.m.tickers"]),
    "JD012 a ticker that is no text": (
        steps('[step.m]\ntype = "market_data"\nticker = 5\n'),
        ["JD012 5:1 step.m.ticker"],
    ),
    "JD012 a model that refuses a pair": (steps('[step.f]\ntype = "free"\nlow = 10\n'), ["JD012 3:1 step.f"]),
    "JD012 negative cache hours": (steps(CRAWL + "cache_hours = -1"), ["JD012 6:1 step.fetch.cache_hours"]),
    "JD012 negative cache hours of a worker": (
        steps('[step.m]\ntype = "market_data"\nticker = "A"\ncache_hours = -1'),
        ["JD012 6:1 step.m.cache_hours"],
    ),
    "JD012 negative cache hours for all": (
        steps("[config]\ncache_hours = -2\n" + CRAWL),
        ["JD012 4:1 config.cache_hours"],
    ),
    "JD012 a top-level key of the wrong type": (steps('enabled = "yes"\n' + CRAWL), ["JD012 3:1 enabled"]),
    "JD012 tags as one text": (steps('tags = "a"\n' + CRAWL), ["JD012 3:1 tags"]),
    "JD012 variables that are no tables": (
        steps('[config]\nvariables = ["A"]\n' + CRAWL),
        ["JD012 4:1 config.variables"],
    ),
    "JD012 no parallel steps": (
        steps("[config]\nmax_parallel_steps = 0\n" + CRAWL),
        ["JD012 4:1 config.max_parallel_steps"],
    ),
    "JD012 a step that is no table": (steps('[step]\ntype = "crawler"\n'), ["JD012 4:1 step.type"]),
    "JD012 a config that is no table": (steps(CRAWL + "config = 1\n"), ["JD012 6:1 step.fetch.config"]),
    "JD012 no attempt": (steps(CRAWL + "retry.max_attempts = 0\n"), ["JD012 6:7 step.fetch.retry.max_attempts"]),
    "JD012 in the short form": (steps('start_urls = "x"\n'), ["JD012 3:1 start_urls"]),
    "JD013 an unknown key": (steps("shedule = 1\n" + CRAWL), ["jd013 3:1 shedule"]),
    "JD013 an unknown parameter": (steps(CRAWL + " max_dept = 3\n"), ["jd013 6:2 step.fetch.max_dept"]),
    "JD013 an unknown key in a table below": (
        steps('[step.p]\ntype = "places_search"\nsearch_query = "q"\nlocation = {latitude=1, longitude=2, lat=3}\n'),
        ["jd013 6:38 step.p.location.lat"],
    ),
    "JD013 an unknown key of retry": (
        steps(CRAWL + "[step.fetch.retry]\ntries = 3\n"),
        ["jd013 7:1 step.fetch.retry.tries"],
    ),
    "JD013 an unknown key of limits": (
        steps(CRAWL + "[step.fetch.limits]\nrates = 3\n"),
        ["jd013 7:1 step.fetch.limits.rates"],
    ),
    "JD013 an unknown key of the tolerance": (
        steps("[error_tolerance]\nmax_failures = 3\n" + CRAWL),
        ["jd013 4:1 error_tolerance.max_failures"],
    ),
    "JD013 crawler keys beside steps": (steps("max_depth = 3\n" + CRAWL), ["jd013 3:1 max_depth"]),
    "JD013 in a config table": (
        steps(CRAWL + "[step.fetch.config]\nmax_dept = 3\n"),
        ["jd013 7:1 step.fetch.config.max_dept"],
    ),
    "JD020 an unknown step": (steps(CRAWL + 'depends = "a, fetsh"\n'), ["JD020 6:1 step.fetch.depends"] * 2),
    "JD020 documents of an unknown step": (steps(CRAWL + 'inputs = ["a"]\n'), ["JD020 6:1 step.fetch.inputs"]),
    "JD021 itself": (steps(CRAWL + 'depends = ["fetch"]\n'), ["JD021 6:1 step.fetch.depends"]),
    "JD022 a cycle": (
        steps(CRAWL + 'depends = "b"\n[step.b]\ntype = "email"\nto = "x"\ndepends = ["fetch"]\n'),
        ["JD022 6:1 step.fetch.depends"],
    ),
    "JD030 no cron": (steps('schedule = "daily"\n' + CRAWL), ["JD030 3:1 schedule"]),
    "JD030 six fields": (steps('schedule = "0 0 5 * * 1"\n' + CRAWL), ["JD030 3:1 schedule"]),
    "JD030 a day that never comes": (steps('schedule = "0 0 31 2 *"\n' + CRAWL), ["JD030 3:1 schedule"]),
    "JD031 every four minutes": (steps('schedule = "*/4 * * * *"\n' + CRAWL), ["JD031 3:1 schedule"]),
    "JD031 seven minutes but for the hour's end": (steps('schedule = "*/7 * * * *"\n' + CRAWL), ["JD031 3:1 schedule"]),
    "JD032 a bare number": (steps("timeout = 30\n" + CRAWL), ["JD032 3:1 timeout"]),
    "JD032 a bare number as text": (steps(CRAWL + 'timeout = "30"\n'), ["JD032 6:1 step.fetch.timeout"]),
    "JD032 an unknown unit": (steps(CRAWL + 'job_timeout = "3w"\n'), ["JD032 6:1 step.fetch.job_timeout"]),
    "JD032 no time at all": (steps(CRAWL + 'timeout = "0s"\n'), ["JD032 6:1 step.fetch.timeout"]),
    "JD032 a bad back-off": (
        steps(CRAWL + '[step.fetch.retry]\nbackoff = "x"\n'),
        ["JD032 7:1 step.fetch.retry.backoff"],
    ),
    "JD033 an unknown zone": (steps('timezone = "Europe/Wien"\n' + CRAWL), ["JD033 3:1 timezone"]),
    "JD033 a folder of zones": (steps('timezone = "Europe"\n' + CRAWL), ["JD033 3:1 timezone"]),
    "JD034 no concurrency": (
        steps(CRAWL + "limits = { concurrency = 0 }\n"),
        ["JD034 6:12 step.fetch.limits.concurrency"],
    ),
    "JD034 a bad rate": (steps(CRAWL + '[step.fetch.limits]\nrate = "10/d"\n'), ["JD034 7:1 step.fetch.limits.rate"]),
    "JD034 a bad limit key": (
        steps(CRAWL + '[step.fetch.limits]\nkey = "{host}"\n'),
        ["JD034 7:1 step.fetch.limits.key"],
    ),
    "JD034 a percentage above 100": (
        steps("[error_tolerance]\nmax_child_failure_percent = 101\n" + CRAWL),
        ["JD034 4:1 error_tolerance.max_child_failure_percent"],
    ),
    "JD040 on_error": (steps(CRAWL + 'on_error = "stop"\n'), ["JD040 6:1 step.fetch.on_error"]),
    "JD040 failure_action": (
        steps('[error_tolerance]\nfailure_action = "stop"\n' + CRAWL),
        ["JD040 4:1 error_tolerance.failure_action"],
    ),
    "JD040 cache_type": (steps(CRAWL + 'cache_type = "soft"\n'), ["JD040 6:1 step.fetch.cache_type"]),
    "JD040 cache_type for all": (steps('[config]\ncache_type = "soft"\n' + CRAWL), ["JD040 4:1 config.cache_type"]),
    "JD040 job_type": (steps('job_type = "root"\n' + CRAWL), ["JD040 3:1 job_type"]),
    "JD040 source_type": (steps('source_type = "wiki"\n' + CRAWL), ["JD040 3:1 source_type"]),
    "JD032 jitter": (steps('schedule_jitter = "soon"\n' + CRAWL), ["JD032 3:1 schedule_jitter"]),
    "JD032 window": (steps("misfire_window = 5\n" + CRAWL), ["JD032 3:1 misfire_window"]),
    "JD040 misfire": (steps('misfire = "some"\n' + CRAWL), ["JD040 3:1 misfire"]),
    "JD040 overlap": (steps('[config]\noverlap = "maybe"\n' + CRAWL), ["JD040 4:1 config.overlap"]),
    "JD040 post_on": (steps('post_on = "never"\n' + CRAWL), ["JD040 3:1 post_on"]),
    "JD041 negative failures": (
        steps("[error_tolerance]\nmax_child_failures = -1\n" + CRAWL),
        ["JD041 4:1 error_tolerance.max_child_failures"],
    ),
    "JD042 an empty id": (steps('pre_jobs = [""]\n' + CRAWL), ["JD042 3:1 pre_jobs"]),
    "JD042 its own id": (steps('post_jobs = ["t"]\n' + CRAWL), ["JD042 3:1 post_jobs"]),
    "JD042 an unknown id": (steps('pre_jobs = ["nobody"]\n' + CRAWL), ["JD042 3:1 pre_jobs"]),
    "JD050 an unknown key": (steps(MAIL + 'to = "{desk}"\n'), ["jd050 5:1 step.mail.to"]),
    "JD050 an unknown config key": (steps(MAIL + 'to = "{config.mail_to}"\n'), ["jd050 5:1 step.mail.to"]),
    "JD050 an unset variable": (steps(MAIL + 'to = "a{env.USER_MAIL}"\n'), ["jd050 5:1 step.mail.to"]),
    "JD050 in a list over many lines": (
        steps(CRAWL + 'exclude_patterns = [\n  "a",\n  "{nope}",\n]\n'),
        ["jd050 6:1 step.fetch.exclude_patterns[1]"],
    ),
    "JD051 a key that does not exist": (
        steps('[step.s]\ntype = "summary"\nprompt = "p"\napi_key = "my_key"\n'),
        ["jd051 6:1 step.s.api_key"],
    ),
    "JD051 a key in braces that does not exist": (
        steps('[step.s]\ntype = "summary"\nprompt = "p"\napi_key = "{my_key}"\n'),
        ["jd051 6:1 step.s.api_key"],
    ),
    "JD051 credentials that do not exist": (steps('authentication = "sso"\n' + CRAWL), ["jd051 3:1 authentication"]),
    "JD060 a date without time": (
        steps(CRAWL + 'filter_created_after = "2025-01-01"\n'),
        ["JD060 6:1 step.fetch.filter_created_after"],
    ),
    "JD060 a month that does not exist": (
        steps(CRAWL + 'filter_updated_after = "2025-13-01T00:00:00Z"\n'),
        ["JD060 6:1 step.fetch.filter_updated_after"],
    ),
    "JD060 no documents": (steps(CRAWL + "filter_limit = 0\n"), ["JD060 6:1 step.fetch.filter_limit"]),
    "JD060 an empty agent type": (
        steps('[step.a]\ntype = "agent"\nagent_type = ""\n'),
        ["JD060 5:1 step.a.agent_type"],
    ),
    "JD060 an unknown operation": (
        steps('[step.a]\ntype = "agent"\nagent_type = "rule_classifier"\noperation_type = "read"\n'),
        ["JD060 6:1 step.a.operation_type"],
    ),
    "JD061 a bad pattern": (
        steps(CRAWL + 'include_patterns = ["ok", "(a"]\n'),
        ["JD061 6:1 step.fetch.include_patterns"],
    ),
    "JD061 in the short form": (
        steps('start_urls = ["x"]\nexclude_patterns = ["*"]\n'),
        ["JD061 4:1 exclude_patterns"],
    ),
    "JD070 a condition that does not parse": (
        steps(CRAWL + 'condition = "steps.fetch.documents >"\n'),
        ["JD070 6:1 step.fetch.condition"],
    ),
    "JD070 a condition on an unknown step": (
        steps(CRAWL + "condition = \"steps.fetsh.status == 'failed'\"\n"),
        ["JD070 6:1 step.fetch.condition"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_found_at_its_place(case):
    text, expected = CASES[case]

    assert found(text) == expected
    assert all(
        f.message and f.hint for f in load(text).findings if f.code not in {"JD012", "JD040", "JD034", "JD041", "JD060"}
    )


@pytest.mark.parametrize("case", CASES)
def test_windows_line_ends_move_no_finding(case):
    text, expected = CASES[case]

    assert found(text.replace("\n", "\r\n")) == expected


def test_every_code_of_the_specification_has_a_case():
    codes = {case.split()[0] for case in CASES}

    assert codes == {
        *("JD001", "JD002", "JD003", "JD004", "JD005", "JD006"),
        *("JD010", "JD011", "JD012", "JD013", "JD020", "JD021", "JD022"),
        *("JD030", "JD031", "JD032", "JD033", "JD034", "JD040", "JD041", "JD042"),
        *("JD050", "JD051", "JD060", "JD061", "JD070"),
    }


def test_all_faults_are_found_at_once_and_sorted_by_line():
    text = 'id = "T"\nschedule = "x"\n[step.b]\ntype = "nope"\ndepends = "c"\n[step.a]\non_error = "x"\n'

    assert [f.split()[0] for f in found(text)] == ["JD003", "JD004", "JD030", "JD011", "JD020", "JD010", "JD040"]


def test_an_id_is_a_duplicate_only_when_another_file_has_it():
    others = known(t=((), ()))  # folder/t.toml, the file itself

    assert found(steps(CRAWL), known=others) == []
    assert found('id = "u"\nname = "U"\n' + CRAWL, known=known(u=((), ()))) == ["JD004 1:1 id"]


def test_a_cycle_over_definitions_is_listed():
    others = known(a=((), ("b",)), b=(("t",), ()))

    [finding] = load(steps('\npost_jobs = ["a"]\n' + CRAWL), known=others).findings

    assert (finding.code, finding.line, finding.message) == ("JD042", 4, "post_jobs makes a cycle: t → a → b → t")


def test_a_cycle_of_steps_is_listed():
    text = steps("".join(f'[step.{s}]\ntype = "email"\nto = "x"\ndepends = "{d}"\n' for s, d in ["ab", "bc", "ca"]))

    [finding] = load(text).findings

    assert finding.message == "steps depend on one another: a → b → c → a"


def test_a_missing_worker_says_what_is_missing():
    [finding] = load(
        steps('[step.a]\ntype = "web_search"\n'), unavailable={"web_search": "pip install 'quaero[llm]'"}
    ).findings

    assert finding.message == "worker type web_search is not available here: pip install 'quaero[llm]'"


def test_an_unknown_worker_brings_near_matches():
    [finding] = load(steps('[step.a]\ntype = "crawlr"\n')).findings

    assert finding.message == "worker type crawlr is unknown"
    assert finding.hint.startswith("did you mean crawler")


def test_agent_types_are_told_apart():
    def message(agent_type: str) -> str:
        [finding] = load(steps(f'[step.a]\ntype = "agent"\nagent_type = "{agent_type}"\n')).findings
        return finding.message

    assert message("web_enricher") == "worker type agent: agent_type web_enricher is not available here"
    assert message("wizard") == "worker type agent: agent_type wizard is unknown"


def test_an_unknown_parameter_brings_near_matches():
    [finding] = load(steps(CRAWL + "max_dept = 3\n")).findings

    assert finding.hint == "did you mean max_depth?"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('max_depth = "deep"', 'max_depth must be a whole number, not "deep"'),
        ("max_depth = 1.5", "max_depth must be a whole number, not 1.5"),
        ("max_depth = -1", "max_depth must be 0 or more, not -1"),
        ("follow_links = 'perhaps'", 'follow_links must be true or false, not "perhaps"'),
        ("detail_level = 'all'", "detail_level must be one of 'metadata' or 'full', not \"all\""),
        ("include_patterns = 'a'", 'include_patterns must be a list, not "a"'),
    ],
)
def test_a_refused_parameter_is_told_in_plain_words(line, message):
    [finding] = load(steps(CRAWL + line)).findings

    assert finding.message == message


def test_the_rest_of_a_step_without_worker_is_still_checked():
    text = steps('[step.a]\ntype = "web_search"\ndepends = "x"\ntimeout = 5\nquery = "{nope}"\n')

    assert [f.split()[0] for f in found(text)] == ["JD011", "JD020", "JD032", "jd050"]


def test_a_placeholder_without_value_hides_the_type_of_its_parameter_only():
    text = steps(CRAWL + 'max_depth = "{depth}"\nmax_pages = "many"\n')

    assert found(text) == ["jd050 6:1 step.fetch.max_depth", "JD012 7:1 step.fetch.max_pages"]


def test_a_config_placeholder_is_checked_as_its_value():
    text = steps("[config]\ndepth = 3\nwords = 'x'\n" + CRAWL + 'max_depth = "{config.depth}"\n')

    assert found(text) == []
    assert found(text + 'max_pages = "{config.words}"\n') == ["JD012 10:1 step.fetch.max_pages"]


def test_raw_steps_have_no_placeholders():
    text = steps('[step.s]\ntype = "summary"\nraw = true\nprompt = "{nope} {config.x}"\n')

    assert found(text) == []


def test_keys_of_the_environment_and_of_config_count_for_api_keys_only():
    text = steps('[step.s]\ntype = "summary"\nprompt = "{desk} {my_token}"\n')

    assert found(text, environment={"MY_TOKEN": "x", "DESK": "x"}) == ["jd050 5:1 step.s.prompt"]


def test_warnings_leave_the_definition_usable():
    result = load(steps(CRAWL + "odd = 1\n"))

    assert [f.severity for f in result.findings] == ["warning"]
    assert result.definition


def test_an_error_leaves_no_definition():
    assert load(steps(CRAWL + "timeout = 1\n")).definition is None


def test_deep_nesting_is_a_syntax_error_not_a_crash():
    [finding] = load("a = " + "[" * 5_000 + "]" * 5_000).findings

    assert finding.code == "JD001"

"""The search language: what a query means, and that no text can break it."""

from __future__ import annotations

from datetime import UTC, datetime

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quaero.calc.search_query import (
    MAX_CHARS,
    After,
    And,
    Before,
    Matches,
    Node,
    Not,
    Or,
    Tag,
    Text,
    Type,
    compile_query,
    fts5_expression,
    parse,
    parse_date,
    tsquery_tree,
)
from quaero.errors import BadData


def microseconds(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1_000_000


A, B, C = Text("a"), Text("b"), Text("c")

MEANINGS: list[tuple[str, Node | None]] = [
    ("", None),
    ("   ", None),
    ("a", A),
    ("a b", And((A, B))),
    ("a AND b", And((A, B))),
    ("a OR b", Or((A, B))),
    ("a OR b c", Or((A, And((B, C))))),
    ("a b OR c", Or((And((A, B)), C))),
    ("(a OR b) c", And((Or((A, B)), C))),
    ("a and b", And((A, Text("and"), B))),
    ("-a", Not(A)),
    ("NOT a", Not(A)),
    ("a NOT b", And((A, Not(B)))),
    ("a AND NOT b", And((A, Not(B)))),
    ("NOT NOT a", A),
    ("-(a OR b) c", And((Not(Or((A, B))), C))),
    ('"a b"', Text("a b")),
    ("\u201ca b\u201d", Text("a b")),
    ('-"a b"', Not(Text("a b"))),
    ("foo.bar_baz", Text("foo.bar_baz")),
    ("JobManager", Text("JobManager")),
    ("pre*", Text("pre*", is_prefix=True)),
    ('"two wor"*', Text("two wor", is_prefix=True)),
    ("title:a", Text("a", in_title=True)),
    ('Title:"a b"', Text("a b", in_title=True)),
    ("title:pre*", Text("pre*", is_prefix=True, in_title=True)),
    ("tag:Alpha", Tag("alpha")),
    ('tag:"Two  Words"', Tag("two words")),
    ("tag:ticker:asx:gnp", Tag("ticker:asx:gnp")),
    ("type:local_dir", Type("local_dir")),
    ("-tag:x a", And((Not(Tag("x")), A))),
    ("tag:x OR a", Or((Tag("x"), A))),
    ("after:2025", After(microseconds(2025, 1, 1))),
    ("before:2025-03", Before(microseconds(2025, 3, 1))),
    ("after:2025-03-09", After(microseconds(2025, 3, 9))),
    ("after:2025-03-09T10:00:00+10:00", After(microseconds(2025, 3, 9))),
    ('before:"2025-03-09T10:00:00Z"', Before(microseconds(2025, 3, 9, 10))),
    # What is no syntax is text, and text without a letter or digit is nothing.
    ("AND", Text("AND")),
    ("OR", Text("OR")),
    ("NOT", Text("NOT")),
    ("a AND", And((A, Text("AND")))),
    ("a OR", And((A, Text("OR")))),
    ("OR a", And((Text("OR"), A))),
    ("a - b", And((A, B))),
    ("--verbose", Text("--verbose")),
    ("a-b", Text("a-b")),
    ("(a", A),
    ("a)", A),
    ("a) b", And((A, B))),
    ("()", None),
    ("main()", Text("main")),
    ('"a b', And((A, B))),
    ('a "', A),
    ('""', None),
    ("!!! ^ + : * {}", None),
    ("\U0001f600", None),
    ("\U0001f600 a", A),
    ("-!!! a", A),
    ("-AND a", And((Not(Text("AND")), A))),
    ("a\0b", And((A, B))),
    ("title:", Text("title:")),
    ("tag: a", And((Text("tag:"), A))),
    ("http://a.b/c", Text("http://a.b/c")),
    ("other:a", Text("other:a")),
    ("NEAR(a b)", And((Text("NEAR"), A, B))),
]


@pytest.mark.parametrize(("text", "node"), MEANINGS, ids=[text or "empty" for text, _ in MEANINGS])
def test_a_query_means(text: str, node: Node | None) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    "value", ["soon", "2025-13", "2025-02-30", "25", "2025-1-1", "0000", "9999-12-31T23:00:00-09:00"]
)
def test_an_unreadable_date_names_itself_and_the_fix(value: str) -> None:
    with pytest.raises(BadData, match="YYYY-MM-DD") as error:
        parse(f"a after:{value}")

    assert f"after:{value}" in str(error.value)


def test_a_date_without_a_zone_is_utc() -> None:
    assert parse_date("2025-03-09T10:00:00", "after") == microseconds(2025, 3, 9, 10)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a", '"a"'),
        ("a b", '("a" AND "b")'),
        ("a OR b", '("a" OR "b")'),
        ("a -b -c", '(("a") NOT ("b" OR "c"))'),
        ("title:a*", 'title : "a" *'),
        ('say "hi"', '("say" AND "hi")'),
        ("(a -b) OR c", '((("a") NOT ("b")) OR "c")'),
    ],
)
def test_a_query_of_words_is_one_expression(text: str, match: str) -> None:
    node = parse(text)
    assert node is not None

    query = compile_query(node)

    assert query.match is not None
    assert fts5_expression(query.match) == match
    assert (query.condition, query.ranking) == (None, query.match)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a", '["text", "a", false, false]'),
        ('title:"é *"*', '["text", "é *", true, true]'),
        ("a OR b", '["or", [["text", "a", false, false], ["text", "b", false, false]]]'),
        ("a -b", '["and", [["text", "a", false, false], ["not", ["text", "b", false, false]]]]'),
        ("it's", '["text", "it\'s", false, false]'),
    ],
)
def test_a_query_of_words_is_one_tree(text: str, match: str) -> None:
    node = parse(text)
    assert node is not None

    assert tsquery_tree(node) == match


def test_filters_beside_words_stay_conditions() -> None:
    node = parse("a tag:x -type:y b")
    assert node is not None

    query = compile_query(node)

    assert query.match == And((A, B))
    assert query.condition == And((Tag("x"), Not(Type("y"))))


@pytest.mark.parametrize(
    ("text", "condition", "ranking"),
    [
        ("-a", Not(Matches(A)), None),
        ("tag:x -a", And((Tag("x"), Not(Matches(A)))), None),
        ("tag:x OR (a b)", Or((Tag("x"), Matches(And((A, B))))), Or((A, B))),
        ("a OR -b", Or((Matches(A), Not(Matches(B)))), A),
        ("tag:x", Tag("x"), None),
    ],
)
def test_what_the_index_cannot_say_becomes_a_condition(text: str, condition: Node, ranking: Node | None) -> None:
    node = parse(text)
    assert node is not None

    query = compile_query(node)

    assert (query.match, query.condition, query.ranking) == (None, condition, ranking)


@pytest.mark.parametrize(
    "text", ["(" * 1500 + "a", "NOT " * 500 + "a", "-(" * 900 + "a", "a " * 2000, "a OR " * 400 + "a", "(a OR " * 300]
)
def test_a_long_or_deep_query_is_still_a_query(text: str, fts: apsw.Connection) -> None:
    node = parse(text)

    assert node is not None
    assert_runs(node, fts)


def test_what_is_too_long_is_cut() -> None:
    assert parse("a" * (MAX_CHARS + 50)) == Text("a" * MAX_CHARS)


SYNTAX = r"""a foo AND OR NOT - ( ) " * ^ : title: tag: type:x { } + , NEAR ' \ ß 漢字 ａ ² -- ; %"""
PIECES = st.sampled_from([*SYNTAX.split(), *" \t\0\ud800\U0001f600\u0301\u2028"])


@pytest.fixture(scope="module")
def fts() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.execute(
        "CREATE VIRTUAL TABLE documents_fts USING fts5"
        "(title, content, tags, tokenize='porter unicode61 remove_diacritics 2');"
        "INSERT INTO documents_fts VALUES ('foo', 'a foo 漢字 AND not', 'x')"
    )
    return db


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join)))
def test_no_text_breaks_the_index(fts: apsw.Connection, text: str) -> None:
    try:
        node = parse(text)
    except BadData:
        return  # the one thing that may be wrong is a date

    if node is not None:
        assert_runs(node, fts)


def assert_runs(node: Node, fts: apsw.Connection) -> None:
    query = compile_query(node)
    for texts in (query.match, query.ranking, *(matched(query.condition) if query.condition else ())):
        if texts is not None:
            expression = fts5_expression(texts)
            fts.execute("SELECT count(*) FROM documents_fts WHERE documents_fts MATCH ?", (expression,)).fetchall()
            tsquery_tree(texts).encode()


def matched(node: Node) -> list[Node]:
    if isinstance(node, Matches):
        return [node.texts]
    if isinstance(node, Not):
        return matched(node.node)
    if isinstance(node, And | Or):
        return [found for part in node.nodes for found in matched(part)]
    return []

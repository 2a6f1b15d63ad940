"""One search language: both databases answer every query with the same documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quaero.errors import BadData
from quaero.model.document import DocumentDraft, draft
from tests.document_stores import BACKENDS, HOUR, NOW, Documents, Job, page

CORPUS: list[tuple[str, str, str, tuple[str, ...]]] = [
    # source_id, title, content, tags
    ("engine", "The job engine", "Jobs are claimed, run and completed. A running job renews its claim.", ("engine",)),
    ("manager", "JobManager", "class JobManager: def claim_jobs(self, limit): ...", ("python", "engine")),
    ("retry", "Retrying failed jobs", "A retry waits 2.5 seconds, then 5, then 10; e.g. after HTTP 503.", ("engine",)),
    ("search", "Full-text search", "The search index knows stems: connected, connecting, connection, connections.", ()),
    ("happy", "Happiness", "Happy people are happier when happily running; ponies, ties and flies.", ()),
    ("café", "Le Café", "Crème brûlée, naïve façade, Ångström, über, señor, Škoda, Łódź.", ("food",)),
    ("combining", "Decomposed", "cafe\u0301 and A\u030angstro\u0308m written with combining marks", ("food",)),
    ("host", "Hosts", "See https://www.example.com:8080/path/to/file.html?q=1&r=2#top and example.org.", ("url",)),
    ("mail", "Addresses", "Write to first.last@example.com or root@localhost.", ("url",)),
    ("files", "Files", "Edit /etc/postgresql/pg_hba.conf, ~/.bashrc, setup.py, README.md, a_b-c.tar.gz.", ()),
    ("hyphens", "State-of-the-art", "A well-known, up-to-date, re-run of the state-of-the-art e-mail.", ()),
    ("numbers", "Numbers", "1,234.56 and 3.14e10, -42, +7, 0x1F, v1.2.3-rc4, 2025-01-31T08:00:00Z, 12:34:56.", ()),
    ("hashes", "Hashes", "commit 9f86d081884c7d65 and deadbeef and 12e5 and 550e8400-e29b-41d4-a716-446655440000", ()),
    ("cjk", "漢字", "日本語のテキスト。検索、全文。한국어 검색 그리고 中文全文搜索，标点。", ()),
    ("cyrillic", "Русский", "Поиск по русскому тексту: война и мир, ёлка, йод.", ()),
    ("greek", "Ελληνικά", "Αναζήτηση κειμένου, λόγος.", ()),
    ("code", "Snippet", "for(i=0;i<n;i++){a[i]+=b->c[i]*d.e;} // x<y && y>z || !w", ("python",)),
    ("dotted", "Names", "quaero.storage.documents.SqlDocumentStore calls foo.bar_baz()", ("python",)),
    ("html", "Markup", "<p class='x'>Tom &amp; Jerry &lt;3</p><br/>end", ()),
    ("quotes", "Quotes", "\u201cSmart quotes\u201d, \u2018single\u2019, \u00abguillemets\u00bb \u2014 it's\u2026", ()),
    ("stop", "To be", "to be or not to be, that is the question", ()),
    ("stop2", "The the", "and the of a in to is it", ()),
    ("emoji", "Emoji", "rocket \U0001f680 launch\U0001f389party", ()),
    ("percent", "Percent", "100% of $5 is 5 €; 20% off #sale @home", ()),
    ("fox", "Animals", "The quick brown fox jumps over the lazy dog", ("animals", "two words")),
    ("dog", "Dogs", "The lazy dog sleeps. A quick cat, a brown bear.", ("animals",)),
    ("zebra title", "Zebra", "nothing here but other words of the same length", ()),
    ("zebra tag", "Stripes", "nothing here but other words of the same length", ("zebra",)),
    ("zebra content", "Horses", "nothing here but a zebra among the other words", ()),
    ("operators", "AND OR NOT", "NEAR and or not title tag type", ()),
    ("empty", "", "", ()),
    ("spaces", "  ", " \t\n ", ()),
    ("long word", "Long", "x" * 3000 + " end", ()),
    ("sql", "Injection", "Robert'); DROP TABLE students;-- SELECT * FROM t WHERE a='b' OR 1=1", ()),
    ("backslash", "D:\\Files", "D:\\Files\\me\\file.txt and \\n and \\'quoted\\'", ()),
    ("apostrophes", "L'été", "l'été, aujourd'hui, O'Brien's rock'n'roll", ()),
    ("case", "CamelCase", "HTTPServer parseHTML iPhone SHOUTING", ()),
    ("news", "News", "Announcement of the annual general meeting; dividends announced yesterday.", ("ticker:asx:gnp",)),
    ("university", "University", "Universal universities generally generate generations of generics.", ()),
    ("underscore", "__init__", "def __init__(self, *args, **kwargs): self._private = snake_case_name", ("python",)),
]  # fmt: skip

# Left out: `is` finds `i` on PostgreSQL, whose Porter takes the s of two letters too; a word of more than 2,000 bytes
# is not indexed there; and characters as ² are no part of a word.
QUERIES = (
    """
jobs|job|running|claims|claimed limit|retry OR retries|connection|connects|connectivity|happy|happiness|happily
pony|tie|fly|universal|generate|generation|announce|announcement|dividend
cafe|café|CAFÉ|cafe\u0301|creme brulee|naive|angstrom|Ångström|senor|skoda|uber
example.com|www.example.com|"example com"|file.html|path/to|8080|q=1|first.last@example.com|last|localhost
pg_hba.conf|hba|bashrc|setup.py|README|readme.md|tar.gz|a_b-c
state-of-the-art|"state of the art"|well-known|known-well|up-to-date|e-mail|email|re-run|rerun
1,234.56|1234|3.14e10|42|-42|0x1f|v1.2.3|1.2|rc4|2025-01-31|2025-01-31T08:00:00Z|12:34|550e8400-e29b|446655440000
9f86d081884c7d65|9f86*|dead*|12e5|12e*
漢字|日本語のテキスト|検索|全文|검색|中文*|한국어
поиск|ПОИСК|русскому|йод|иод|ёлка|λόγος|Αναζήτηση
foo.bar_baz|foo.baz|"bar baz"|quaero.storage|SqlDocumentStore|sqldocument*|"quaero stor"*|b->c|a[i]+=b|x<y
tom & jerry|&amp;|class='x'|br|it's|don't|"smart quotes"|“smart quotes”|single|guillemets
"to be or not to be"|the|"the question"|it
rocket|launch|party|🚀|100%|$5|5 €|#sale|@home
"quick brown"|"brown quick"|"lazy dog"|quick -fox|quick NOT fox|-quick|(fox OR bear) lazy|fox OR (cat bear)|quick bro*
title:zebra|zebra|zebras|tag:zebra|title:dogs|title:"the job"|title:job*|-title:zebra zebra|title:nothing
tag:animals|tag:animals -fox|tag:"two words"|tag:python engine|tag:ticker:asx:gnp|ticker asx|tag:none OR zebra
type:web_page fox|type:file fox|type:note|type:page zebra|fox after:2025-01-05|fox before:2025-01-05|after:2025-01-05
before:2025-01-05 tag:python|dog after:2025-01-05|NOT (tag:animals OR tag:python)|-(zebra OR tag:engine) -type:note
AND|OR|NOT|near|title:|tag|!!!|()|"|'|\\|:*|*|&|<->|a <-> b|fox & dog|fox | dog|!fox|fox:A|fox:*|'fox'|fox'
students|'); DROP TABLE documents;--|1=1|D:\\Files|d:\\files\\me|\\n|\\'quoted\\'|%|%s|{0}|:match|$1
aujourd'hui|l'ete|l'été|o'brien|rock'n'roll|httpserver|parsehtml|html|iphone|camelcase|camel*
__init__|_private|snake_case_name|snake|case_name|**kwargs|self
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


def corpus() -> list[DocumentDraft]:
    return [draft("web_page", id_, title=title, content=content, tags=tags) for id_, title, content, tags in CORPUS]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Documents]]:
    stores = [Documents(backend, tmp_path_factory.mktemp(backend)) for backend in BACKENDS]
    for store in stores:
        store.put(*corpus())
        store.put(
            draft("note", "late", title="Late", content="A late note on the dog"),
            job=Job(job_id=2),
            now=NOW + 48 * HOUR,
        )
    yield stores
    for store in stores:
        store.close()


@pytest.mark.parametrize("query", QUERIES)
def test_both_databases_find_the_same(both: list[Documents], query: str) -> None:
    lite, server = (set(store.found(query, limit=100)) for store in both)

    assert lite == server


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("zebra", "zebra title"),
        ("-title:zebra zebra", "zebra tag"),
        ("jobmanager", "manager"),
        ("connections", "search"),
        ('"brown fox"', "fox"),
        ("happiness", "happy"),
        ("universal generations", "university"),
    ],
)
def test_both_databases_put_the_same_first(both: list[Documents], query: str, best: str) -> None:
    for store in both:
        hits = store.store.search(query)

        assert hits[0].source_id == best
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert hits[0].score > 0


SYNTAX = r"""a foo AND OR NOT - ( ) " * ^ : title: tag: type:x { } + , NEAR ' \ ß 漢字 ａ ² -- ; % | & ! <-> :A %s :x"""
PIECES = st.sampled_from([*SYNTAX.split(), *" \t\0\ud800\U0001f600\u0301\u2028"])


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join)))
def test_no_text_breaks_a_search(both: list[Documents], text: str) -> None:
    for store in both:
        try:
            store.store.search(text)
        except BadData:
            return  # the one thing that may be wrong is a date


@pytest.mark.parametrize(
    "text", ["(" * 1500 + "fox", "NOT " * 500 + "fox", "fox " * 2000, "fox OR " * 280 + "fox", "(fox OR " * 240,
             "漢" * 2000, "漢" * 1900 + "*", '"' + "fox " * 490 + '"*'],
)  # fmt: skip
def test_a_long_or_deep_search_is_answered(both: list[Documents], text: str) -> None:
    assert len({tuple(sorted(store.found(text))) for store in both}) == 1


@pytest.fixture(params=BACKENDS)
def documents(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Documents]:
    store = Documents(request.param, tmp_path)
    yield store
    store.check_index()
    store.close()


def test_a_snippet_shows_the_words_around_a_hit(documents: Documents) -> None:
    filler = [f"w{n}" for n in range(2000)]
    documents.put(page("deep", " ".join([*filler, "then comes (foo.bar_baz), Crème", "brûlée!\n", *filler])))

    [hit] = documents.store.search("foo.bar_baz")
    [other] = documents.store.search("creme", marks=("<\\1&", "%s$"))

    assert "comes ([foo.bar_baz]), Crème brûlée!\n" in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert 28 <= len(hit.snippet.split()) <= 34
    assert "), <\\1&Crème%s$ brûlée" in other.snippet


def test_a_snippet_of_a_short_text_is_the_text(documents: Documents) -> None:
    documents.put(page("a", "(The quick, brown fox) jumps. The end"))

    [phrase] = documents.store.search('"brown fox"')
    [words] = documents.store.search("jump* end")

    assert phrase.snippet.replace("] [", " ") == "(The quick, [brown fox]) jumps. The end"
    assert words.snippet == "(The quick, brown fox) [jumps]. The [end]"


def test_a_hit_in_the_title_alone_shows_how_the_text_begins(documents: Documents) -> None:
    documents.put(page("a", "It begins. " + "x " * 5000, title="Zebra"))

    [hit] = documents.store.search("zebra")

    assert hit.snippet.startswith("It begins. x x")


def test_a_phrase_does_not_reach_from_the_title_into_the_text(documents: Documents) -> None:
    documents.put(page("a", "gamma delta", title="alpha beta", tags=["one"]))

    assert documents.found('"alpha beta"') == ["a"]
    assert documents.found('"web page one"') == []
    assert documents.found('"beta gamma"') == documents.found('"beta date"') == documents.found('"page gamma"') == []


def test_a_text_with_more_words_than_an_index_entry_holds_is_found_by_its_beginning(documents: Documents) -> None:
    content = "beginning " + " ".join(f"{n:x}word{n}" for n in range(200_000))

    [id_] = documents.put(page("large", content))

    assert documents.found("beginning") == documents.found("100word256") == ["large"]
    assert documents.store.get_document(id_).content == content
    [hit] = documents.store.search("2710word10000")
    assert "[2710word10000]" in hit.snippet

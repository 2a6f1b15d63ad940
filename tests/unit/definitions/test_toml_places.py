"""The key scanner finds every key that ``tomllib`` finds, where the key's text stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quaero.definitions.toml_places import Path, Place, find_places

BARE = st.text("abcXYZ019_-", min_size=1, max_size=4)
AWKWARD = st.text(st.sampled_from("a .#=[]{}'\"\\\n\té日😀"), max_size=4)


def key_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from key_paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from key_paths(item, (*path, index))


def basic(text: str) -> str:
    escaped = "".join(f"\\u{ord(c):04X}" if c in '\\"\n\t' else c for c in text)
    return f'"{escaped}"'


@st.composite
def keys(draw: st.DrawFn) -> str:
    """A key as TOML writes it: bare, in double or in single quotes."""
    if draw(st.booleans()):
        return draw(BARE)
    name = draw(AWKWARD)
    if draw(st.booleans()) and not set(name) & set("'\n"):
        return f"'{name}'"
    return basic(name)


@st.composite
def strings(draw: st.DrawFn) -> str:
    text = draw(AWKWARD)
    kind = draw(st.sampled_from(["basic", "literal", "multi basic", "multi literal"]))
    if kind == "literal" and not set(text) & set("'\n"):
        return f"'{text}'"
    if kind == "multi literal" and "'''" not in text:
        return f"'''{text}'''"
    if kind == "multi basic":
        inner = text.replace("\\", "\\\\")
        return f'"""{inner.replace(chr(34) * 3, "x")}"""'
    return basic(text)


SCALARS = st.one_of(
    strings(),
    st.sampled_from(["1", "-0.5", "1e3", "true", "inf", "0xFF", "1979-05-27 07:32:00Z", "07:32:00", "1979-05-27"]),
)
GAPS = st.sampled_from(["", " ", "\n", "# a ] , } = comment\n", " \t"])


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    inner = [draw(GAPS) + item + draw(GAPS) for item in draw(st.lists(items, max_size=3))]
    comma = "," if inner and draw(st.booleans()) else ""
    return f"[{','.join(inner)}{comma}{draw(GAPS)}]"


@st.composite
def inline_tables(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    pairs = [f"{draw(keys())} = {item}" for item in draw(st.lists(items, max_size=3))]
    return "{ " + ", ".join(pairs) + " }"


VALUES = st.recursive(SCALARS, lambda items: st.one_of(arrays(items), inline_tables(items)), max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """TOML texts; some are not valid, when a key comes twice."""
    lines: list[str] = []
    for _ in range(draw(st.integers(0, 6))):
        dotted = draw(st.sampled_from([".", " . "])).join(draw(st.lists(keys(), min_size=1, max_size=3)))
        kind = draw(st.sampled_from(["pair", "pair", "table", "array", "comment"]))
        indent = draw(st.sampled_from(["", "  ", "\t"]))
        lines.append(
            indent
            + {
                "pair": lambda d=dotted: f"{d} = {draw(VALUES)}",
                "table": lambda d=dotted: f"[{d}] # [x]",
                "array": lambda d=dotted: f"[[ {d} ]]",
                "comment": lambda: "# a = 1",
            }[kind]()
        )
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


def stands_at(text: str, place: Place, key: str) -> bool:
    line = text.replace("\r\n", "\n").split("\n")[place.line - 1][place.column - 1 :]
    written = tomllib_key(line)
    return written == key


def tomllib_key(line: str) -> str:
    """The first key of a line's rest, read by tomllib itself."""
    for end in range(1, len(line) + 1):
        try:
            [key] = tomllib.loads(f"{line[:end]} = 0")
        except ValueError:
            continue
        if line[0] in "\"'" or end == len(line) or not (line[end].isalnum() or line[end] in "_-"):
            return key
    return ""


@settings(max_examples=300)
@given(documents())
def test_every_key_is_found_where_its_text_stands(text):
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    places = find_places(text)

    paths = set(key_paths(content))
    assert paths == set(places.keys)
    assert all(stands_at(text, place, str(path[-1])) for path, place in places.keys.items())


TEXT = '''\
# a comment with [brackets] = 1
id = "a"
a."b.c".d = 1
many = [
  { x = 1 }, # ] }
  { x = """
[not.a.header]
""" },
]
[one . two]
 three = \'\'\'it's
four = 4\'\'\'
five = { six = [1, { seven = 7 }], "e\\u0069ght" = 1979-05-27 07:32:00 }
[[rows]]
x = 1
[[rows]]
x = 2
[rows.sub]
y = """"quoted"""""
[[rows.deep]]
z = 1
'''


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("id",), 2, 1),
        (("a",), 3, 1),
        (("a", "b.c"), 3, 3),
        (("a", "b.c", "d"), 3, 9),
        (("many", 0, "x"), 5, 5),
        (("many", 1, "x"), 6, 5),
        (("one",), 10, 2),
        (("one", "two"), 10, 8),
        (("one", "two", "three"), 11, 2),
        (("one", "two", "five", "six", 1, "seven"), 13, 22),
        (("one", "two", "five", "eight"), 13, 36),
        (("rows",), 14, 3),
        (("rows", 0, "x"), 15, 1),
        (("rows", 1, "x"), 17, 1),
        (("rows", 1, "sub", "y"), 19, 1),
        (("rows", 1, "deep", 0, "z"), 21, 1),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_key_is_found_in_every_form(path, line, column, line_end):
    assert find_places(TEXT.replace("\n", line_end)).keys[path] == Place(line, column)


def test_nothing_else_is_a_key():
    assert set(find_places(TEXT).keys) == set(key_paths(tomllib.loads(TEXT)))


def test_a_missing_key_is_missed_at_its_table():
    places = find_places("a.b = 1\n\n  [step.x]\n[[rows]]\n[[rows]]\n")

    assert places.table(("step", "x")) == Place(3, 3)
    assert places.table(("step",)) == Place(3, 4)
    assert places.table(("a",)) == Place(1, 1)
    assert places.table(("rows", 1)) == Place(5, 1)
    assert places.table(("nowhere",)) == places.table(()) == Place(1, 1)


def test_an_element_stands_at_the_key_of_its_array():
    assert find_places("a = 1\nb = [\n1,\n2]").key(("b", 1)) == Place(2, 1)

"""Titles inside documents."""

from __future__ import annotations

import re
from typing import Final

_MAX_CHARACTERS: Final = 200
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX: Final = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_SETEXT: Final = re.compile(r" {0,3}(?:=+|-{2,})[ \t]*$")
_IMAGE: Final = re.compile(r"!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])")
_LINK: Final = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_MARKUP: Final = re.compile(r"<[^>]+>|[*`]+|(?<!\w)_+|_+(?!\w)")


def first_heading(markdown: str) -> str:
    """Text of the first heading outside of code and front matter, without markup; empty where there is none."""
    fence = ""
    previous = ""
    for line in _after_front_matter(markdown.splitlines()):
        if mark := _FENCE.match(line):
            fence = "" if fence and mark.group(1).startswith(fence) else fence or mark.group(1)
            previous = ""
            continue
        if fence:
            continue
        heading = _ATX.match(line)
        text = heading.group(1) if heading else previous if _SETEXT.match(line) else ""
        if plain := _plain(text):
            return plain
        previous = line.strip()
    return ""


def _after_front_matter(lines: list[str]) -> list[str]:
    if lines and lines[0].rstrip() in ("---", "+++"):
        end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == lines[0].rstrip()), 0)
        return lines[end + 1 :] if end else lines[1:]
    return lines


def _plain(text: str) -> str:
    return _MARKUP.sub("", _LINK.sub(r"\1", _IMAGE.sub("", text))).strip()[:_MAX_CHARACTERS]

"""Agent type ``keyword_extractor``: what a document is about. The arithmetic is in ``quaero.calc.keywords``."""

from __future__ import annotations

from typing import Any, Final

from quaero.calc.keywords import extract_keywords
from quaero.calc.languages import CODE, language_of
from quaero.model.contracts import KeywordExtraction
from quaero.model.document import Document
from quaero.ports.compute import Compute

NAME: Final = "keyword_extractor"
INLINE_CHARACTERS: Final = 20_000
"""Longer documents are worked on away from the event loop."""


async def keywords_of(document: Document, *, max_keywords: int, compute: Compute) -> KeywordExtraction:
    """At most ``max_keywords`` keywords of a document's title and content."""
    is_code = _is_code(document.metadata, document.title)
    text = f"{document.title}\n\n{document.content}"
    if len(text) <= INLINE_CHARACTERS:
        found = extract_keywords(text, limit=max_keywords, is_code=is_code)
    else:
        found = await compute.run(extract_keywords, text, limit=max_keywords, is_code=is_code)
    return KeywordExtraction(
        keywords=tuple(keyword.text for keyword in found),
        confidence={keyword.text: keyword.confidence for keyword in found},
    )


def _is_code(metadata: dict[str, Any], title: str) -> bool:
    """Whether the content is source code, as its worker noted, or by the name of its file."""
    language = metadata.get("file_type")
    name = str(metadata.get("file_path") or metadata.get("path") or title).rpartition("/")[2]
    return language in CODE or ("." in name and " " not in name and language_of(name) in CODE)

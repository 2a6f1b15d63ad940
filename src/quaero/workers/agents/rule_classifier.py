"""Agent type ``rule_classifier``: what kind of file or page a document is, by ``quaero.calc.rule_classifier``."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from quaero.calc.rule_classifier import classify
from quaero.model.contracts import RuleClassification
from quaero.model.document import Document

NAME: Final = "rule_classifier"
_PAGES: Final = frozenset({"web", "confluence", "jira", "github"})
"""Source types whose documents are pages of a site, not files."""


def classification_of(document: Document) -> RuleClassification:
    """The category of a document, by its path (relative where its worker noted that), name and first lines."""
    if document.source_type in _PAGES:
        return classify(urlsplit(document.url or document.source_id).path, document.content, is_page=True)
    path = document.metadata.get("file_path") or document.metadata.get("path") or document.source_id
    return classify(str(path), document.content)

"""Fake workers and the world that the tests of definitions load them into."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, Field, model_validator

from quaero.definitions.context import KnownDefinition, LoadContext, LoadResult, WorkerSpec
from quaero.definitions.load import load_definition


class Model(BaseModel, extra="forbid", frozen=True):
    pass


class Crawler(Model):
    start_urls: list[str] = Field(min_length=1)
    include_patterns: list[str] = []
    exclude_patterns: list[str] = []
    max_depth: int = Field(default=2, ge=0)
    max_pages: int = 100
    concurrency: int = 5
    follow_links: bool = True
    rate_limit: int = 1000
    download_images: bool = True
    detail_level: Literal["metadata", "full"] = "full"


class Agent(Model):
    agent_type: str
    operation_type: Literal["scan", "enrich", "generate"] = "enrich"
    batch_mode: bool = False
    max_keywords: int = 10
    api_key: str | None = None
    filter_category: list[str] = []


class Summary(Model):
    prompt: str
    api_key: str | None = None
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"] | None = None


class Market(Model):
    tickers: list[str] = Field(min_length=1)
    period: str = "Y3"
    limit: int = 1000
    months: int = 36
    cache_hours: int = Field(default=24, ge=0)


class Email(Model):
    to: str
    subject: str = ""
    on_error_subject: str = ""
    format: Literal["inline", "pdf", "html", "markdown"] = "inline"
    attachment: bool = False


class GitHub(Model):
    connector_name: str
    owner: str
    repo: str
    branches: list[str] = ["main"]
    extensions: list[str] = []
    exclude_paths: list[str] = []
    max_files: int = 1000
    batch_mode: bool = False


class Spot(Model):
    latitude: float
    longitude: float


class Places(Model):
    search_query: str
    max_results: int = 20
    location: Spot | None = None
    api_key: str | None = None


class Folder(Model):
    dir_path: str = Field(validation_alias=AliasChoices("dir_path", "path"))
    max_files: int = 10_000
    tags: list[str] = []


class Free(BaseModel, extra="allow"):
    """Takes any key, and refuses the pair ``low`` > ``high``."""

    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def _in_order(self) -> Free:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


MODELS: dict[str, type[BaseModel]] = {
    "crawler": Crawler,
    "agent": Agent,
    "summary": Summary,
    "email": Email,
    "github_repo": GitHub,
    "places_search": Places,
    "local_dir": Folder,
    "free": Free,
    **dict.fromkeys(["market_fundamentals", "market_data", "market_announcements"], Market),
    **dict.fromkeys([f"rating_{part}" for part in ("bfs", "cds", "nfr", "pps", "vrs", "ob", "composite")], Market),
}
CATALOG = {name: WorkerSpec(name, model) for name, model in MODELS.items()}
AGENT_TYPES = ("keyword_extractor", "rule_classifier", "entity_recognizer")
KEYS = frozenset({"gemini_api_key", "handbook-sso"})

HEADER = 'id = "t"\nname = "T"\n'
"""Two lines: the tables of a test begin at line 3."""


def world(**changes: Any) -> LoadContext:
    """Everything is available; two keys are stored."""
    settings: dict[str, Any] = {"catalog": CATALOG, "agent_types": AGENT_TYPES, "has_key": KEYS.__contains__}
    return LoadContext(**{**settings, **changes})


def load(text: str, **changes: Any) -> LoadResult:
    return load_definition(text, file="folder/t.toml", context=world(**changes))


def found(text: str, **changes: Any) -> list[str]:
    """The findings of a text as ``code line:column key``, warnings in lower case."""
    return [
        f"{f.code if f.severity == 'error' else f.code.lower()} {f.line}:{f.column} {f.key}"
        for f in load(text, **changes).findings
    ]


def examples() -> Mapping[str, str]:
    """Id -> text of the example definitions beside these tests."""
    texts = [path.read_text() for path in sorted((Path(__file__).parent / "examples").glob("*.toml"))]
    return {tomllib.loads(text)["id"]: text for text in texts}


def known(**relations: tuple[tuple[str, ...], tuple[str, ...]]) -> dict[str, KnownDefinition]:
    """Definitions of the folder: id -> (pre_jobs, post_jobs)."""
    return {name: KnownDefinition(f"folder/{name}.toml", pre, post) for name, (pre, post) in relations.items()}

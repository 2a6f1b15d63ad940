"""The description of the API: complete, and the one that the page was written for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quaero.web.openapi import description

STORED = Path(__file__).parents[3] / "ui" / "openapi.json"
DESCRIBED: dict[str, Any] = description()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
]


def test_the_stored_description_is_that_of_the_routes():
    assert json.loads(STORED.read_text(encoding="utf-8")) == DESCRIBED, (
        "routes have changed; run: python -m quaero.web.openapi > ui/openapi.json"
    )


def test_it_is_openapi_3_1():
    assert DESCRIBED["openapi"].startswith("3.1.")


def test_operations_have_ids_of_their_own():
    ids = [operation["operationId"] for _, operation in OPERATIONS]

    assert len(set(ids)) == len(ids) > 60


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_operation_is_described(name: str, operation: dict[str, Any]):
    assert operation["summary"]
    assert operation.get("description") or name == "DELETE /api/session"
    assert len(operation["tags"]) == 1


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_error_is_a_problem(name: str, operation: dict[str, Any]):
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    errors = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}

    assert {"401", "403", "404", "409", "422", "4XX", "503"} <= set(errors)
    assert all(answer["content"] == problem for answer in errors.values())

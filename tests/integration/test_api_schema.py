"""The API does what its description says, whatever it is asked: requests are made up from the description."""

from __future__ import annotations

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from quaero.web.openapi import description
from tests.web_kit import BACKENDS, served, step

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DESCRIBED = description()
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DESCRIBED).get_all_operations()]
FEW, MANY = 3, 500
TIMEOUT_S = 10.0
named = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method.upper()} {one.path}")


@pytest.fixture(scope="module", params=BACKENDS)
def api(request, tmp_path_factory):
    """A site with some data: runs 1 and 2, with failed jobs and documents."""
    with served(request.param, tmp_path_factory.mktemp("data")) as api:
        for name in ("a", "0"):
            failing = step("first", keys=["a", "b"], fails=["b"]) + 'error_tolerance = "50%"\n'
            api.ran(name, failing, step("second", after="first"), head='schedule = "0 6 * * *"')
        yield api


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


def hold(api, session, operation, mode, examples):
    """Requests that are right by the description, or wrong in one place: the answers are those it describes."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples == FEW,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        answer = case.call(base_url=str(api.client.base_url), session=session, timeout=TIMEOUT_S)
        case.validate_response(answer, checks=CHECKS)

    ask()


@named
def test_answers_are_as_described(api, session, operation):
    hold(api, session, operation, GenerationMode.POSITIVE, FEW)


@named
def test_answers_to_wrong_requests_are_as_described(api, session, operation):
    if not can_be_wrong(operation):
        pytest.skip("nothing can be wrong with this request")
    hold(api, session, operation, GenerationMode.NEGATIVE, FEW)


def can_be_wrong(operation):
    """Any text will do where a text is asked for in the path."""
    described = DESCRIBED["paths"][operation.path][operation.method]
    parameters = described.get("parameters", [])
    return "requestBody" in described or any(
        one["in"] == "query" or (one["in"] == "path" and one["schema"].get("type") != "string") for one in parameters
    )


@pytest.mark.soak
@pytest.mark.timeout(0)
@named
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_many_answers_are_as_described(api, session, operation, mode):
    if mode is GenerationMode.NEGATIVE and not can_be_wrong(operation):
        pytest.skip("nothing can be wrong with this request")
    hold(api, session, operation, mode, MANY)

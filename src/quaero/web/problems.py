"""Problems: every error of the API as one JSON object (RFC 9457), with the way out in its ``detail``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from quaero.errors import (
    BadData,
    ConfigError,
    InvalidDefinition,
    NotFound,
    QuaeroError,
    Refused,
    StaleClaim,
    StoreUnavailable,
    TransientError,
    VersionConflict,
)

log = structlog.get_logger("quaero.web")

MEDIA_TYPE = "application/problem+json"
RETRY_S = 2
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_PARAMETER = re.compile(r"\{\w+\}")
_encoder = msgspec.json.Encoder(enc_hook=str)


class InvalidParameter(BaseModel):
    """One thing wrong with a request."""

    pointer: str = Field(description="Where: a query parameter, or a JSON pointer into the body.")
    message: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="`about:blank`, or what kind of problem it is: `/problems/…`.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what can be done about it.")
    instance: str = Field(description="The path that was asked for.")
    job_id: int | None = Field(None, description="The job that is in the way.")
    etag: str | None = Field(None, description="Of the version that is there now.")
    findings: list[dict[str, Any]] | None = Field(None, description="What is wrong with a job definition.")
    errors: list[InvalidParameter] | None = Field(None, description="What is wrong with the request.")


FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (401, "Sign in, or send an API key."),
        (403, "The key's scope does not allow it."),
        (404, "Nothing is stored under this id."),
        (409, "Refused in this state."),
        (422, "The request can't be used."),
        ("4XX", "Something else is wrong with the request."),
        (503, "The store can't be reached now."),
    )
}
"""What every route may answer, for its description."""
CHANGED_MEANWHILE: dict[int | str, dict[str, Any]] = {
    412: {"model": Problem, "description": "Somebody else has changed it since it was read."}
}


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    kind: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    body = {
        "type": f"/problems/{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        **{key: value for key, value in more.items() if value is not None},
    }
    return Response(_encoder.encode(body), status, dict(headers or {}), MEDIA_TYPE)


def add_problem_handlers(site: FastAPI, methods: Sequence[tuple[str, Collection[str]]] = ()) -> None:
    """From here on no error leaves the site in another form. ``methods``: (path, its methods) of every route."""
    site.state.methods = methods
    site.add_exception_handler(QuaeroError, _ours)
    site.add_exception_handler(RequestValidationError, _invalid)
    site.add_exception_handler(HTTPException, _plain)
    site.add_exception_handler(Exception, _defect)


def described_as_problems(description: dict[str, Any]) -> dict[str, Any]:
    """In the description too; FastAPI has one media type for all answers of a route."""
    for methods in description["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                if any(one.get("schema") == _PROBLEM for one in answer.get("content", {}).values()):
                    answer["content"] = {MEDIA_TYPE: {"schema": _PROBLEM}}
    return description


def _ours(request: Request, error: Exception) -> Response:
    match error:
        case InvalidDefinition():
            return problem(
                request, 422, str(error), kind="invalid-definition", findings=[_plain_data(f) for f in error.findings]
            )
        case VersionConflict():
            return problem(request, 412, str(error), kind="version-conflict", etag=error.etag or None)
        case Refused():
            return problem(request, 409, str(error), kind="refused", job_id=error.job_id)
        case NotFound():
            return problem(request, 404, str(error), kind="not-found")
        case BadData():
            return problem(request, 422, str(error), kind="bad-data")
        case StaleClaim():
            return problem(request, 409, str(error), kind="stale")
        case ConfigError():
            return problem(request, 500, str(error), kind="configuration")
        case StoreUnavailable() | TransientError():
            return problem(request, 503, str(error), kind="unavailable", headers={"Retry-After": str(RETRY_S)})
        case _:
            return problem(request, 500, str(error))


def _plain_data(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these
    errors = [{"pointer": _pointer(one["loc"]), "message": one["msg"]} for one in error.errors()]
    detail = "; ".join(f"{one['pointer']}: {one['message']}" for one in errors)
    return problem(request, 422, detail, kind="invalid-request", errors=errors)


def _pointer(place: Sequence[str | int]) -> str:
    # A key of the body may hold what UTF-8 can't say.
    source, *rest = (str(part).encode("utf-8", "replace").decode() for part in place)
    return "/" + "/".join(rest) if source == "body" else (rest[0] if rest else source)


def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
    status, detail, headers = error.status_code, str(error.detail), error.headers
    if detail in {HTTPStatus.NOT_FOUND.phrase, HTTPStatus.METHOD_NOT_ALLOWED.phrase}:
        # No route took it. The page answers at every path that is left, so the framework can't tell which it is.
        if methods := ", ".join(_methods_at(request.url.path, request.app.state.methods)):
            status, detail = (
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{request.method[:20]} is not possible here, only {methods}",
            )
            headers = {"Allow": methods}
        else:
            status, detail = (
                HTTPStatus.NOT_FOUND,
                f"nothing is at {request.url.path}; /openapi.json lists what there is",
            )
            headers = None
    return problem(request, status, detail, headers=headers)


def _methods_at(path: str, known: Iterable[tuple[str, Collection[str]]]) -> list[str]:
    """Of the routes whose template fits the path."""
    found: set[str] = set()
    for template, methods in known:
        if re.fullmatch(_PARAMETER.sub("[^/]+", template), path):
            found.update(methods)
    return sorted(found)


def _defect(request: Request, error: Exception) -> Response:
    log.error("web.failed", path=request.url.path, exc_info=error)
    return problem(request, 500, "a defect of Quaero's; the service log has the traceback", kind="defect")

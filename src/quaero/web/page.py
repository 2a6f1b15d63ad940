"""The page: static files of the bundle, and one HTML file for every address that is not the API's."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

IMMUTABLE = "public, max-age=31536000, immutable"
NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Quaero</title>
<h1>The page was not built</h1>
<p>Quaero runs, and its API answers at <a href="/openapi.json">/openapi.json</a>, but this installation has no page.</p>
<p>Build it: run <code>pip install .</code> (or <code>make setup</code>) in the checkout, without
<code>QUAERO_SKIP_UI</code>.</p></html>
"""


def page_routes(folder: Path | None) -> APIRouter:
    """``folder``: the bundle, None where it was not built. To be added last: it takes every address that is left."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/assets/{name:path}", methods=["GET", "HEAD"])
    def asset(name: str) -> Response:
        """Their names hold their hash: they never change."""
        file = _inside(folder, f"assets/{name}")
        return FileResponse(file, headers={"Cache-Control": IMMUTABLE})

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    def index(request: Request, path: str) -> Response:
        if path.startswith("api/") or path == "api":
            raise HTTPException(404)
        if folder is None:
            return HTMLResponse(NOT_BUILT, status_code=503 if path else 200)
        name = path if path and "/" not in path and (folder / path).is_file() else "index.html"
        file = _inside(folder, name)
        found = FileResponse(file, headers={"Cache-Control": "no-cache"}, stat_result=file.stat())
        if found.headers["ETag"] in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers={"ETag": found.headers["ETag"], "Cache-Control": "no-cache"})
        return found

    return router


def _inside(folder: Path | None, name: str) -> Path:
    if folder is not None:
        file = (folder / name).resolve()
        if file.is_relative_to(folder.resolve()) and file.is_file():
            return file
    raise HTTPException(404)

"""Routes: signing in and out, API keys, the audit log."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from quaero.model.access import ApiKey, AuditEntry, Scope
from quaero.ports.access import AccessStore
from quaero.ports.clock import Clock
from quaero.web.access.api_keys import create_key, expiry
from quaero.web.access.audit import note
from quaero.web.access.identity import ACCESS, OWNER, access_of
from quaero.web.access.login import Login, WhoAmI
from quaero.web.answers import answer, model_of, page, page_of
from quaero.web.problems import problem


class Credentials(BaseModel):
    """What is asked of a person."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    password: str = Field(max_length=2_000)


class NewKey(BaseModel):
    """An API key to be made."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=64)
    scope: Scope
    expires: str | None = Field(None, max_length=40, description="After this time, as `90d`; absent: never.")


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new API key; it is shown here and never again."""

    key: str
    name: str
    prefix: str
    scope: Scope
    expires_at: datetime | None


def routes(login: Login, store: AccessStore, clock: Clock) -> APIRouter:
    """To be included under ``/api``. Who may call what, the guard says."""
    router = APIRouter(tags=["access"])

    @router.get("/session", response_model=model_of(WhoAmI))
    def who_am_i(request: Request) -> Response:
        """401 where one has to sign in."""
        return answer(login.who(access_of(request.scope)))

    @router.post("/session", response_model=model_of(WhoAmI))
    async def sign_in(request: Request, given: Credentials) -> Response:
        """With the password; the session is in a cookie."""
        access = access_of(request.scope)
        outcome = await login.sign_in(given.password, access)
        if outcome.wait_s:
            wait = {"Retry-After": str(math.ceil(outcome.wait_s))}
            detail = f"too many attempts; the next one in {wait['Retry-After']} s"
            return problem(request, 429, detail, kind="too-many-attempts", headers=wait)
        if not outcome.cookie:
            return problem(request, 401, "this is not the password", kind="bad-password")
        access = access._replace(actor=OWNER, scope=Scope.ADMIN)
        request.scope[ACCESS] = access
        who = WhoAmI(actor=OWNER, scope=Scope.ADMIN, signed_in=True, has_password=True)
        return answer(who, headers={"Set-Cookie": outcome.cookie})

    @router.delete("/session", status_code=204, response_class=Response)
    async def sign_out(request: Request) -> Response:
        return Response(status_code=204, headers={"Set-Cookie": login.sign_out(access_of(request.scope))})

    @router.get("/access/keys", response_model=page_of(ApiKey))
    def api_keys() -> Response:
        """All of them, also those that are no longer in force; never a key itself."""
        return page(store.list_keys())

    @router.post("/access/keys", status_code=201, response_model=model_of(MadeKey))
    def make_key(request: Request, wanted: NewKey) -> Response:
        """The answer shows the key, this once."""
        key, made = create_key(store, wanted.name, wanted.scope, expiry(wanted.expires, clock.now()))
        note(request.scope, name=made.name, scope=made.scope)
        shown = MadeKey(key=key, name=made.name, prefix=made.prefix, scope=made.scope, expires_at=made.expires_at)
        return answer(shown, 201)

    @router.delete("/access/keys/{name}", response_model=model_of(ApiKey))
    def revoke_key(name: str) -> Response:
        """From now on it opens nothing."""
        return answer(store.revoke_key(name))

    @router.get("/audit", response_model=page_of(AuditEntry))
    def audit(
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    ) -> Response:
        """Who did what, the newest first."""
        return page(*store.entries(limit=limit, cursor=cursor))

    return router

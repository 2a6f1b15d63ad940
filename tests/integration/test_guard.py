"""Nobody comes in who should not: names, origins, credentials, scopes, for requests and for sockets."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quaero.errors import ConfigError, StoreUnavailable
from quaero.web.access.exposure import refuse_without_credentials
from quaero.web.access.guard import SIGNED_OUT
from quaero.web.access.headers import CONTENT_SECURITY_POLICY
from quaero.web.access.policy import Policy
from quaero.web.access.scopes import needed_scope
from tests.access_kit import LOCALHOST, Gate, Place, cookie_of

NETWORK = Policy(host="192.168.1.5", hosts=("quaero.example.org", "other.example.org:8443"))
PROXIED = Policy(hosts=("quaero.example.org",), proxy=True)
OURS = "192.168.1.5:8085"
SITE = "quaero.example.org"


@pytest.fixture
def place(tmp_path):
    made = Place("sqlite", tmp_path)
    yield made
    made.close()


@pytest.fixture
def local(place):
    return Gate(place)


@pytest.fixture
def network(place):
    return Gate(place, NETWORK)


@pytest.fixture
def proxied(place):
    place.store.set_password("x")
    return Gate(place, PROXIED)


# Host


@pytest.mark.parametrize("host", [LOCALHOST, "LocalHost", "127.0.0.1:8085", "127.0.0.2", "[::1]:8085", "localhost."])
def test_on_loopback_everybody_on_this_host_may_do_everything(local, host):
    for method, path in (("GET", "/api/runs"), ("DELETE", "/api/runs/1"), ("POST", "/api/access/keys"), ("GET", "/")):
        assert local.call(method, path, host=host).status == 200
    assert local.get(host=host).data["actor"] == "local"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8085", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.5:8085",
     "", "localhost:8085:8085", "x@localhost", "localhost/", "[::1", "::1", "0.0.0.0:8085", "127.1",
     "l\xf6calhost", "localhost, evil.example", "2130706433"],
)  # fmt: skip
def test_another_name_for_this_host_is_refused(local, host):
    for path in ("/", "/api/runs", "/api/health"):
        answer = local.get(path, host=host)
        assert (answer.status, answer.kind) == (421, "wrong-host")
    assert "[server] hosts" in local.get(host=host).data["detail"]


def test_without_a_name_or_with_two_it_is_refused(local):
    assert local.get(host=None).status == 421
    assert local.get(headers=[(b"host", b"localhost")]).status == 421


def test_configured_names_count_and_others_do_not(network):
    header = network.bearer("read")

    for host in (OURS, SITE, f"{SITE}:8085", "other.example.org", LOCALHOST):
        assert network.get(host=host, headers=header).status == 200
    assert network.get(host="example.org", headers=header).status == 421


def test_where_all_addresses_are_listened_on_the_one_that_was_called_counts(place):
    gate = Gate(place, Policy(host="0.0.0.0", machine="Nuc"))
    header = gate.bearer("read")

    assert gate.get(host="10.0.0.7:8085", server="10.0.0.7", headers=header).status == 200
    assert gate.get(host="nuc:8085", server="10.0.0.7", headers=header).status == 200
    assert gate.get(host="nuc.local", server="10.0.0.7", headers=header).status == 200
    assert gate.get(host="evil.example", server="10.0.0.7", headers=header).status == 421
    assert gate.get(host="10.0.0.8", server="10.0.0.7", headers=header).status == 421


# Origin


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (f"http://{LOCALHOST}", 200),
        ("http://evil.example", 403),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("http://127.0.0.1:8085", 403),
        ("null", 403),
        ("", 403),
        ("http://localhost:8085@evil.example", 403),
        ("file://localhost:8085", 403),
        (f"http://{LOCALHOST}/", 403),
    ],
)
def test_only_pages_of_this_server_may_act(local, origin, status):
    answer = local.post(headers={"origin": origin})

    assert answer.status == status
    if status == 403:
        assert answer.kind == "wrong-origin"


def test_whoever_sends_no_origin_is_no_browser(local):
    assert local.post().status == 200


def test_two_origins_are_refused(local):
    ours = f"http://{LOCALHOST}".encode()

    assert local.post(headers=[(b"origin", ours), (b"origin", ours)]).status == 403


def test_a_configured_name_may_be_an_origin(network):
    header = network.bearer("run")

    assert network.post(host=OURS, headers={**header, "origin": f"https://{SITE}"}).status == 200
    assert network.post(host=OURS, headers={**header, "origin": "https://other.example.org:8443"}).status == 200
    assert network.post(host=OURS, headers={**header, "origin": f"https://{SITE}:8443"}).status == 403
    assert network.post(host=OURS, headers={**header, "origin": "https://other.example.org"}).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_others_fetch_nothing_but_may_link_here(local, site):
    assert local.get(headers={"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}).status == 403
    assert local.post(headers={"sec-fetch-site": site, "sec-fetch-mode": "navigate"}).status == 403
    assert local.get("/", headers={"sec-fetch-site": site, "sec-fetch-mode": "navigate"}).status == 200


# Sockets


def test_a_socket_of_this_page_is_accepted(local):
    assert local.socket(headers={"origin": f"http://{LOCALHOST}"})[0]["type"] == "websocket.accept"
    assert local.socket()[0]["type"] == "websocket.accept"


@pytest.mark.parametrize(
    ("host", "origin"),
    [(LOCALHOST, "http://evil.example"), (LOCALHOST, "null"), (LOCALHOST, "http://localhost:3000"),
     ("evil.example:8085", "http://evil.example:8085")],
)  # fmt: skip
def test_a_socket_of_another_site_is_refused_before_its_upgrade(local, host, origin):
    start, body = local.socket(host=host, headers={"origin": origin})
    closed = local.socket(host=host, headers={"origin": origin}, can_answer=False)

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert body["type"] == "websocket.http.response.body"
    assert [message["type"] for message in closed] == ["websocket.close"]


def test_a_socket_needs_credentials_where_requests_do(network):
    key = network.bearer("read")

    assert network.socket(host=OURS)[0]["status"] == 403
    assert network.socket("/other", host=OURS)[0]["status"] == 403
    assert network.socket(host=OURS, headers={"authorization": "Bearer qk_wrong"})[0]["status"] == 403
    assert network.socket(host=OURS, headers=key)[0]["type"] == "websocket.accept"


def test_an_open_socket_ends_with_the_key_that_opened_it(place):
    gate = Gate(place, NETWORK, recheck_s=0.01)
    key = gate.bearer("read")

    sent = gate.socket(host=OURS, headers=key, stays=True, accepted=lambda: gate.store.revoke_key("read"))

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == SIGNED_OUT


def test_an_open_socket_outlives_an_outage_of_the_store(place, monkeypatch):
    gate = Gate(place, NETWORK, recheck_s=0.01)
    key = gate.bearer("read")
    asked = 0

    def unavailable(digest: str) -> None:
        nonlocal asked
        asked += 1
        if asked > 3:
            raise asyncio.CancelledError
        raise StoreUnavailable("gone")

    def accepted() -> None:
        monkeypatch.setattr(gate.store, "find_key", unavailable)

    with pytest.raises(asyncio.CancelledError):
        gate.socket(host=OURS, headers=key, stays=True, accepted=accepted)
    assert asked == 4


def test_a_stream_ends_with_the_key_that_opened_it(place):
    async def streaming(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        gate.store.revoke_key("read")
        await asyncio.Event().wait()

    gate = Gate(place, NETWORK, streaming, recheck_s=0.01)

    answer = gate.get("/api/logs/stream", host=OURS, headers=gate.bearer("read"))

    assert answer.body == b"data: 1\n\n"


# Credentials


def test_elsewhere_credentials_are_asked_for(network):
    answer = network.get(host=OURS)

    assert (answer.status, answer.kind) == (401, "sign-in")
    assert answer.headers["www-authenticate"] == 'Bearer realm="quaero"'
    assert network.post(host=OURS).status == 401
    assert network.get(host=LOCALHOST).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/health"), ("GET", "/api/health/live"), ("GET", "/"), ("GET", "/assets/app.js"),
     ("GET", "/runs/17"), ("HEAD", "/"), ("POST", "/api/session"), ("DELETE", "/api/session")],
)  # fmt: skip
def test_health_the_page_and_signing_in_are_open(network, method, path):
    assert network.call(method, path, host=OURS).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api"), ("GET", "/api/"), ("GET", "/api/healthy"), ("GET", "/api/health/x"), ("GET", "/ws"),
     ("GET", "/api/session"), ("POST", "/"), ("PUT", "/api/session"), ("POST", "/api/session/x"), ("POST", "/ws"),
     ("FOO", "/"), ("GET", "/api/x\ny"), ("OPTIONS", "/api/runs")],
)  # fmt: skip
def test_nothing_else_is_open(network, method, path):
    assert network.call(method, path, host=OURS).status == 401


def test_a_key_opens_until_it_is_revoked_or_expires(network):
    header = network.bearer("read")
    assert network.get(host=OURS, headers=header).data["actor"] == "key:read"
    network.store.revoke_key("read")
    answer = network.get(host=OURS, headers=header)
    assert (answer.status, answer.kind) == (401, "bad-key")


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer qk_short", "bearer qk_" + "a" * 43, "Basic dTpw", "x"])
def test_anything_else_in_the_header_opens_nothing(network, value):
    assert network.get(host=OURS, headers={"authorization": value}).status == 401


def test_a_key_that_is_given_counts_on_loopback_too(local):
    read = local.bearer("read")

    assert local.get(headers=read).data["actor"] == "key:read"
    assert local.post(headers=read).status == 403
    assert local.get(headers={"authorization": "Bearer qk_wrong"}).status == 401


def test_the_use_of_a_key_is_noted_now_and_then(network):
    header = network.bearer("read")

    def last_used() -> object:
        return network.store.list_keys()[0].last_used_at

    network.get(host=OURS, headers=header)
    first = last_used()
    network.clock.advance(200)
    network.get(host=OURS, headers=header)
    soon = last_used()
    network.clock.advance(200)
    network.get(host=OURS, headers=header)

    assert first is not None
    assert soon == first
    assert last_used() > first


SCOPES = [
    ("GET", "/api/runs", "read"),
    ("GET", "/api/logs/stream", "read"),
    ("GET", "/api/definitions/a/revisions", "read"),
    ("GET", "/api/session", "read"),
    ("POST", "/api/definitions/validate", "read"),
    ("POST", "/api/definitions/a/preview", "read"),
    ("POST", "/api/definitions/a/execute", "run"),
    ("PATCH", "/api/definitions/a", "run"),
    ("POST", "/api/runs/1/cancel", "run"),
    ("POST", "/api/runs/1/resume-from", "run"),
    ("POST", "/api/schedules/a/backfill", "run"),
    ("POST", "/api/dead-letters/ignore", "run"),
    ("POST", "/api/documents/tags", "run"),
    ("POST", "/api/documents/delete", "admin"),
    ("POST", "/api/bulk", "admin"),
    ("POST", "/api/runs/bulk", "admin"),
    ("POST", "/api/runs/1/cancel/x", "admin"),
    ("POST", "/api/definitions", "admin"),
    ("PUT", "/api/definitions/a", "admin"),
    ("DELETE", "/api/definitions/a", "admin"),
    ("DELETE", "/api/runs/1", "admin"),
    ("DELETE", "/api/documents/doc_1", "admin"),
    ("GET", "/api/keys", "admin"),
    ("PUT", "/api/keys/a", "admin"),
    ("GET", "/api/config", "admin"),
    ("GET", "/api/access/keys", "admin"),
    ("POST", "/api/access/keys", "admin"),
    ("GET", "/api/audit", "admin"),
    ("POST", "/api/anything/new", "admin"),
    ("TRACE", "/api/runs", "admin"),
]


def test_each_route_asks_for_its_scope(network):
    keys = {scope: network.bearer(scope) for scope in ("read", "run", "admin")}

    for method, path, needed in SCOPES:
        allowed = [scope for scope in keys if network.call(method, path, host=OURS, headers=keys[scope]).status == 200]
        assert allowed == list(keys)[list(keys).index(needed) :], f"{method} {path}"
    refused = network.post(host=OURS, headers=keys["read"])
    assert (refused.status, refused.kind) == (403, "scope")
    assert "needs the scope run" in refused.data["detail"]


# Sessions


def test_a_session_opens_everything_and_slides(network):
    network.store.set_password("x")
    cookie = network.cookie()

    assert network.get(host=OURS, headers={"cookie": f"a=b; {cookie}"}).data["actor"] == "owner"
    for _ in range(3):
        network.clock.advance(11 * 3600)
        answer = network.get(host=OURS, headers={"cookie": cookie})
        assert answer.status == 200
        cookie = cookie_of(answer)
    network.clock.advance(12 * 3600 + 1)
    assert network.get(host=OURS, headers={"cookie": cookie}).status == 401


def test_a_session_that_is_kept_busy_ends_after_thirty_days(network):
    network.store.set_password("x")
    cookie, days = network.cookie(), 0
    while (answer := network.get(host=OURS, headers={"cookie": cookie})).status == 200:
        cookie = cookie_of(answer) if "set-cookie" in answer.headers else cookie
        network.clock.advance(8 * 3600)
        days += 1 / 3
    assert 29 < days < 31


def test_a_fresh_session_brings_no_new_cookie(network):
    network.store.set_password("x")

    assert "set-cookie" not in network.get(host=OURS, headers={"cookie": network.cookie()}).headers


def test_a_new_password_ends_all_sessions_and_so_does_none(network):
    network.store.set_password("x")
    first = {"cookie": network.cookie()}
    network.store.set_password("x")
    second = {"cookie": network.cookie()}

    assert network.get(host=OURS, headers=first).status == 401
    assert network.get(host=OURS, headers=second).status == 200
    network.store.remove_password()
    assert network.get(host=OURS, headers=second).status == 401
    network.store.set_password("x")
    assert network.get(host=OURS, headers=second).status == 401


def test_a_forged_session_opens_nothing(network):
    network.store.set_password("x")
    good = network.cookie()
    name, _, value = good.partition("=")

    for forged in (f"{name}=", f"{name}={value}x", f"{name}={value[:-1]}", f"{name}=W10.{value}", f"{name}=é"):
        assert network.get(host=OURS, headers={"cookie": forged}).status == 401
    assert network.get(host=OURS, headers={"cookie": f"{name}=x; {good}"}).status == 200


# Proxies


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip", "via"])
def test_what_a_proxy_passes_on_is_not_local(local, name):
    answer = local.get(headers={name: "127.0.0.1"})

    assert answer.status == 401
    assert "came through a proxy" in answer.data["detail"]


def test_without_the_setting_nothing_that_a_proxy_says_counts(network):
    forwarded = {"x-forwarded-for": "10.9.9.9", "x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}

    answer = network.get(host=OURS, headers={**network.bearer("read"), **forwarded}, client="192.168.1.77")

    assert answer.data == {"actor": "key:read", "address": "192.168.1.77", "secure": False}


def test_behind_a_proxy_everybody_signs_in_and_its_word_counts(proxied):
    forwarded = {"x-forwarded-for": "6.6.6.6, 10.9.9.9", "x-forwarded-proto": "https", "x-forwarded-host": SITE}
    header = {**proxied.bearer("run"), **forwarded}

    assert proxied.get(host="127.0.0.1:8085").status == 401
    answer = proxied.get(host="127.0.0.1:8085", headers=header)
    assert answer.data == {"actor": "key:run", "address": "10.9.9.9", "secure": True}
    assert proxied.post(host="127.0.0.1:8085", headers={**header, "origin": f"https://{SITE}"}).status == 200
    assert proxied.post(host="127.0.0.1:8085", headers={**header, "origin": "https://evil.example"}).status == 403
    assert proxied.get(host=SITE, headers={**header, "x-forwarded-host": "evil.example"}).status == 421


def test_over_https_a_cookie_is_marked_so(proxied):
    headers = {"cookie": proxied.cookie(), "x-forwarded-proto": "https"}
    proxied.clock.advance(3600)

    secure = proxied.get(host=SITE, headers=headers).headers["set-cookie"]
    plain = proxied.get(host=SITE, headers={"cookie": headers["cookie"]}).headers["set-cookie"]

    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"} <= set(secure.split("; "))
    assert "Secure" not in plain


# Outages, garbage, headers


def test_while_the_store_is_gone_nobody_comes_in(network, monkeypatch):
    def gone(digest: str) -> None:
        raise StoreUnavailable("the server is gone")

    header = network.bearer("read")
    monkeypatch.setattr(network.store, "find_key", gone)

    answer = network.get(host=OURS, headers=header)

    assert (answer.status, answer.kind, answer.headers["retry-after"]) == (503, "unavailable", "2")


BYTES = st.binary(max_size=60)
NAMES = st.sampled_from(
    [b"host", b"origin", b"cookie", b"authorization", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto",
     b"sec-fetch-site", b"sec-fetch-mode", b"idempotency-key", b"content-type"]
)  # fmt: skip
VALUES = BYTES | st.sampled_from(
    [b"localhost", b"http://localhost", b"Bearer qk_" + b"a" * 43, b"quaero_session=a.b", b"https", b"[::1]:x"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    headers=st.lists(st.tuples(NAMES | BYTES, VALUES), max_size=6),
    host=st.none() | st.sampled_from([LOCALHOST, OURS, SITE]) | st.text(st.characters(max_codepoint=255), max_size=30),
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD"]) | st.text(max_size=10),
    path=st.sampled_from(["/api/runs", "/api/session", "/"]) | st.text(max_size=30).map(lambda text: f"/{text}"),
    body=BYTES,
)
def test_whatever_is_sent_nothing_breaks_and_nobody_gets_in(place, headers, host, method, path, body):
    for policy in (Policy(), NETWORK, PROXIED):
        gate = Gate(place, policy)
        answer = gate.call(method, path, host=host, headers=headers, body=body)
        assert answer.status < 500
        assert policy.asks_nobody or answer.status != 200 or needed_scope(method, path) is None
        sent = gate.socket(path, host=host, headers=headers)
        assert sent[0]["type"] in {"websocket.accept", "websocket.http.response.start"}
        assert policy.asks_nobody or sent[0]["type"] != "websocket.accept"


def test_every_answer_has_the_headers_that_protect_the_page(local, network):
    for answer in (local.get(), local.get("/"), local.get(host="evil.example"), network.get(host=OURS)):
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
    assert local.get().headers["cache-control"] == "no-store"
    assert "cache-control" not in local.get("/").headers


def test_a_header_that_an_answer_has_already_stays(place):
    async def raw(scope, receive, send):
        headers = [(b"Content-Security-Policy", b"sandbox"), (b"cache-control", b"private")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    answer = Gate(place, app=raw).get("/api/documents/doc_1/raw")

    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["cache-control"] == "private"


# Starting


def test_a_network_is_not_served_without_credentials(place):
    with pytest.raises(ConfigError) as refused:
        refuse_without_credentials(NETWORK, place.store, place.clock)
    assert "quaero access password" in str(refused.value)
    assert "quaero access keys create" in str(refused.value)
    with pytest.raises(ConfigError, match="proxy is on"):
        refuse_without_credentials(PROXIED, place.store, place.clock)
    for host in ("0.0.0.0", "::", "", "myhost", "127.1", "localhost.example.org"):
        with pytest.raises(ConfigError):
            refuse_without_credentials(Policy(host=host), place.store, place.clock)


def test_on_loopback_or_with_credentials_it_is(place):
    gate = Gate(place)
    for host in ("127.0.0.1", "localhost", "::1", "127.3.4.5"):
        refuse_without_credentials(Policy(host=host), place.store, place.clock)
    gate.key("read")
    refuse_without_credentials(NETWORK, place.store, place.clock)
    place.store.revoke_key("read")
    with pytest.raises(ConfigError):
        refuse_without_credentials(NETWORK, place.store, place.clock)
    place.store.set_password("x")
    refuse_without_credentials(NETWORK, place.store, place.clock)
    place.store.remove_password()
    with pytest.raises(ConfigError):
        refuse_without_credentials(NETWORK, place.store, place.clock)

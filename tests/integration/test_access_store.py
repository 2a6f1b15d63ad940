"""Keys, the password, the audit log and answers as they lie in the database. On both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from quaero.errors import BadData, NotFound, Refused
from quaero.model.access import Scope
from quaero.ports.access import AuditDraft, GivenAnswer
from quaero.storage.statements import statements
from quaero.web.access.api_keys import create_key, digest_of, expiry, is_in_force, looks_like_key
from tests.access_kit import BACKENDS, Place

ANSWER = GivenAnswer(202, (("location", "/api/runs/7"),), b'{"id":7}\0\xff')
REQUEST = {"request": "POST /api/x", "body_hash": "h"}


@pytest.fixture(params=BACKENDS)
def place(tmp_path, request):
    made = Place(request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(place):
    return place.store


def entry(number: int, **fields: object) -> AuditDraft:
    return AuditDraft("local", "::1", "POST /x", f"/x/{number}", "200", dict(fields))


def test_both_databases_answer_the_same_names():
    assert set(statements("sqlite", "access")) == set(statements("postgres", "access"))


# API keys


def test_a_key_is_found_by_its_hash_alone(store, place):
    key, made = create_key(store, "ci", Scope.RUN, expires_at=place.clock.now() + 5)

    assert looks_like_key(key)
    assert key.startswith(made.prefix)
    assert store.find_key(digest_of(key)) == made
    assert store.find_key(key) is None
    assert (made.name, made.scope, made.last_used_at, made.revoked_at) == ("ci", Scope.RUN, None, None)


def test_no_table_holds_the_key(store, place):
    key, _ = create_key(store, "ci", Scope.RUN)

    db = place.database.connect()
    rows = db.fetch_all("SELECT * FROM api_keys")
    db.close()
    assert not any(key[10:] in str(value) for row in rows for value in row)


def test_a_key_is_in_force_until_it_expires(store, place):
    _, made = create_key(store, "ci", Scope.READ, expires_at=place.clock.now() + 1_000_000)

    assert is_in_force(made, place.clock.now())
    assert not is_in_force(made, place.clock.now() + 1_000_000)


def test_a_name_can_be_taken_again_when_its_key_is_revoked(store):
    first, _ = create_key(store, "ci", Scope.RUN)
    with pytest.raises(Refused, match="quaero access keys revoke ci"):
        create_key(store, "ci", Scope.READ)

    revoked = store.revoke_key("ci")
    _, second = create_key(store, "ci", Scope.READ)

    assert revoked.revoked_at is not None
    assert store.find_key(digest_of(first)).revoked_at == revoked.revoked_at
    assert {key.id for key in store.list_keys()} == {revoked.id, second.id}
    assert store.revoke_key("ci").id == second.id
    with pytest.raises(NotFound, match="no API key 'ci'"):
        store.revoke_key("ci")


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "a" * 65, "a\n", "ä"])
def test_a_name_that_can_not_be_one_is_refused(store, name):
    with pytest.raises(BadData, match="key name"):
        create_key(store, name, Scope.READ)


def test_the_last_use_is_written_once_in_five_minutes(store, place):
    create_key(store, "ci", Scope.READ)
    [key] = store.list_keys()
    times = []
    for seconds in (1, 200, 200, 200):
        place.clock.advance(seconds)
        store.touch_key(key.id)
        times.append(store.list_keys()[0].last_used_at)

    assert times[0] == times[1] < times[2] == times[3]


@pytest.mark.parametrize("text", ["90", "x", "0s", "-1d", "999999d"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(BadData, match="write it as 90d"):
        expiry(text, 0)


# The password


def test_the_generation_of_the_password_never_goes_back(store):
    assert store.password() is None
    assert not store.remove_password()
    generations = []
    for _ in range(3):
        store.set_password("hash")
        found = store.password()
        assert found.hash == "hash"
        generations.append(found.generation)
        assert store.remove_password()
        assert store.password() is None
    assert generations == sorted(set(generations))


# The audit log


def test_entries_come_newest_first_by_pages(store, place):
    for number in range(7):
        store.add_entry(entry(number, n=number))
        place.clock.advance(number % 2)

    found, cursor = [], None
    while True:
        items, cursor = store.entries(limit=3, cursor=cursor)
        found += items
        if cursor is None:
            break

    assert len({one.id for one in found}) == 7
    assert {one.target for one in found} == {f"/x/{number}" for number in range(7)}
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    assert found[0].detail == {"n": 6}
    assert store.entries(limit=7) == (found, None)


@pytest.mark.parametrize("cursor", ["", "x", "1.2", "99999999999999999999.0123456789abcdef", "1.0123456789abcdeg"])
def test_a_cursor_that_is_none_is_refused(store, cursor):
    with pytest.raises(BadData, match="cursor"):
        store.entries(limit=1, cursor=cursor)


def test_old_entries_go_and_so_do_those_beyond_the_most(place):
    store = place.another_store(audit_entries=3)
    store.add_entry(entry(0))
    place.clock.advance(401 * 86_400)
    for number in range(1, 501):
        store.add_entry(entry(number))
        place.clock.advance(1)

    kept = [one.target for one in store.entries(limit=1_000)[0]]

    assert kept[:2] == ["/x/500", "/x/499"]
    assert "/x/0" not in kept
    assert len(kept) <= 3


# Answers already given


def test_an_answer_comes_back_as_it_was_from_any_store(place, store):
    other = place.another_store()

    assert store.begin("local", "k", **REQUEST) is None
    under_way = other.begin("local", "k", **REQUEST)
    store.finish("local", "k", ANSWER)
    given = other.begin("local", "k", request="POST /api/y", body_hash="i")

    assert under_way.answer is None
    assert (given.request, given.body_hash, given.answer) == ("POST /api/x", "h", ANSWER)


def test_keys_of_different_callers_are_different(store):
    assert store.begin("a", "k", **REQUEST) is None
    assert store.begin("b", "k", **REQUEST) is None


def test_what_came_to_nothing_may_be_tried_again_but_not_what_was_answered(store):
    store.begin("a", "k", **REQUEST)
    store.forget("a", "k")
    assert store.begin("a", "k", **REQUEST) is None
    store.finish("a", "k", ANSWER)
    store.forget("a", "k")
    assert store.begin("a", "k", **REQUEST).answer == ANSWER


def test_a_first_answer_is_not_overwritten(store):
    store.begin("a", "k", **REQUEST)
    store.finish("a", "k", ANSWER)
    store.finish("a", "k", ANSWER._replace(status=500))

    assert store.begin("a", "k", **REQUEST).answer.status == 202


def test_after_a_day_a_key_is_new(store, place):
    store.begin("a", "k", **REQUEST)
    store.finish("a", "k", ANSWER)
    place.clock.advance(24 * 3600)
    assert store.begin("a", "k", **REQUEST) is not None
    place.clock.advance(1)
    assert store.begin("a", "k", **REQUEST) is None


def test_of_many_at_once_one_is_first(place):
    stores = [place.another_store() for _ in range(6)]
    ready = Barrier(len(stores))

    def begin(store: object) -> bool:
        ready.wait()
        return store.begin("a", "k", **REQUEST) is None

    with ThreadPoolExecutor(len(stores)) as pool:
        assert sorted(pool.map(begin, stores)) == [False] * 5 + [True]


def test_one_store_serves_many_threads(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.add_entry(entry(number)), range(40)))

    assert len(store.entries(limit=100)[0]) == 40


def test_a_write_that_failed_does_not_spoil_the_next(store, place):
    with pytest.raises(Exception, match=r"(?i)null"):
        store.add_key("ci", digest=None, prefix="p", scope=Scope.READ, expires_at=None)

    create_key(store, "ci", Scope.READ)
    assert len(store.list_keys()) == 1

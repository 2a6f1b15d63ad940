"""``quaero access``: the password, API keys and the record of them, on the real command line."""

from __future__ import annotations

import pytest

PASSWORD = "correct horse battery"


def files_with(quaero, text: str) -> list[str]:
    return [path.name for path in quaero.data.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_password_is_read_from_standard_input_and_stored_nowhere(quaero):
    result = quaero("access", "password", stdin=f"{PASSWORD}\n")

    assert "the password is set" in result.stderr
    assert PASSWORD not in result.stderr + result.stdout
    assert files_with(quaero, PASSWORD) == []
    assert "is removed" in quaero("access", "password", "--remove").stderr
    assert "there is no password" in quaero("access", "password", "--remove").stderr


@pytest.mark.parametrize("given", ["", "short\n"])
def test_a_password_that_is_too_short_is_refused(quaero, given):
    assert "8 to 1000 characters" in quaero("access", "password", stdin=given, code=2).stderr


def test_an_api_key_is_shown_once(quaero):
    made = quaero("access", "keys", "create", "ci", "--scope", "run", "--expires", "90d")
    key = made.stdout.strip()

    assert key.startswith("qk_")
    assert "shown this once" in made.stderr
    assert files_with(quaero, key) == []
    [listed] = quaero.ask("access", "keys", "list")["items"]
    assert (listed["name"], listed["scope"], listed["revoked_at"]) == ("ci", "run", None)
    assert key.startswith(listed["prefix"])
    assert len(listed["prefix"]) < 12
    assert key not in quaero.here("access", "keys", "list").stdout
    assert "ci" in quaero.here("access", "keys", "list").stdout


def test_a_key_is_made_for_programs_as_json(quaero):
    made = quaero.ask("access", "keys", "create", "ci", "--scope", "read")

    assert made.keys() == {"name", "key", "prefix", "scope", "expires_at"}
    assert (made["scope"], made["expires_at"]) == ("read", None)


def test_a_revoked_key_is_listed_as_such_and_its_name_is_free(quaero):
    quaero.here("access", "keys", "create", "ci", "--scope", "read")
    assert "revoke it first" in quaero.refusal("access", "keys", "create", "ci", "--scope", "run")

    quaero.here("access", "keys", "revoke", "ci")

    assert "revoked" in quaero.here("access", "keys", "list").stdout
    assert "no API key 'ci' is in force" in quaero.refusal("access", "keys", "revoke", "ci")
    quaero.here("access", "keys", "create", "ci", "--scope", "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ci",), "scope"),
        (("ci", "--scope", "root"), "read"),
        (("a b", "--scope", "read"), "key name 'a b'"),
        (("ci", "--scope", "read", "--expires", "soon"), "write it as 90d"),
    ],
)
def test_a_key_that_can_not_be_made_is_refused(quaero, arguments, message):
    assert message in quaero.refusal("access", "keys", "create", *arguments)


def test_what_was_done_is_recorded_without_secrets(quaero):
    assert "nothing has been recorded" in quaero.here("access", "audit").stderr
    quaero("access", "password", stdin=PASSWORD)
    key = quaero.here("access", "keys", "create", "ci", "--scope", "run").stdout.strip()
    quaero.here("access", "keys", "revoke", "ci")

    record = quaero.ask("access", "audit")
    shown = quaero.here("access", "audit").stdout

    assert [(e["actor"], e["action"], e["target"], e["outcome"]) for e in record["items"]] == [
        ("command line", "access keys revoke", "ci", "done"),
        ("command line", "access keys create", "ci", "done"),
        ("command line", "access password", "", "done"),
    ]
    assert record["next"] is None
    assert key[10:] not in str(record) + shown
    assert PASSWORD not in str(record) + shown
    assert "access keys revoke ci" in shown


def test_the_record_comes_by_pages(quaero):
    for name in ("a", "b", "c"):
        quaero.here("access", "keys", "create", name, "--scope", "read")

    first = quaero.ask("access", "audit", "--limit", 2)
    second = quaero.ask("access", "audit", "--limit", 2, "--cursor", first["next"])

    assert [item["target"] for item in first["items"] + second["items"]] == ["c", "b", "a"]
    assert second["next"] is None
    assert "more with: --cursor" in quaero.here("access", "audit", "--limit", 2).stderr
    assert "cursor" in quaero.refusal("access", "audit", "--cursor", "x")
    assert "--limit" in quaero.refusal("access", "audit", "--limit", 0)

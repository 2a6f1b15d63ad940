"""Keys at rest: secret ones are opened by their own key alone, and every refusal says what to do. On both databases."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from quaero.errors import BadData, ConfigError, NotFound
from quaero.queue.masking import MASK, Masker
from quaero.storage.database import Database
from quaero.storage.keys import KEY_FILE, KEY_VARIABLE, EncryptionKey, SecretResolver, SqlKeyStore
from quaero.storage.migrate import migrate
from quaero.storage.postgres import PostgresDatabase
from quaero.storage.sqlite import SqliteDatabase
from tests.postgres import drop_database, fresh_database

SECRET = "sk-verysecret/+1"


class FixedClock:
    def __init__(self) -> None:
        self.time = 1_000_000

    def now(self) -> int:
        return self.time


@pytest.fixture
def folder(tmp_path):
    """Of the key file, and of the database where that is a file."""
    return tmp_path


@pytest.fixture(params=["sqlite", "postgres"])
def database(folder, request):
    url = fresh_database() if request.param == "postgres" else None
    made = SqliteDatabase(folder / "quaero.db") if url is None else PostgresDatabase(url)
    db = made.connect()
    migrate(db, "main")
    db.close()
    yield made
    if url is not None:
        drop_database(url)


@pytest.fixture
def open_store(folder, database):
    readers = database.readers()

    def opened(**environ: str) -> SqlKeyStore:
        return SqlKeyStore(database, readers, EncryptionKey(folder, environ), FixedClock())

    yield opened
    readers.close()


@pytest.fixture
def keys(open_store):
    return open_store()


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name != KEY_FILE)


def sealed_column(database: Database) -> str:
    return "sealed" if database.dialect == "postgres" else "value"


def changed(database: Database, statement: str) -> None:
    db = database.connect()
    db.run(statement)
    db.close()


def test_a_value_comes_back_as_it_was_stored(keys):
    keys.set("api_key", SECRET)
    keys.set("motto", "grüße ☃", secret=False)
    keys.set("nothing", "", secret=False)

    assert keys.get("api_key") == SECRET
    assert keys.get("motto") == "grüße ☃"
    assert keys.get("nothing") == ""
    assert keys.names() == {"api_key": True, "motto": False, "nothing": False}
    assert keys.is_secret("api_key")
    assert not keys.is_secret("motto")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # a server's files are not ours to read
def test_only_plain_values_can_be_read_in_the_files(keys, folder):
    keys.set("api_key", SECRET)
    keys.set("motto", "plain-text-motto", secret=False)

    assert SECRET.encode() not in all_bytes(folder)
    assert b"plain-text-motto" in all_bytes(folder)


def test_the_same_secret_is_never_stored_the_same_way_twice(keys, database):
    keys.set("one", SECRET)
    keys.set("two", SECRET)

    db = database.connect()
    values = {bytes(value) for (value,) in db.fetch_all(f"SELECT {sealed_column(database)} FROM keys")}
    db.close()
    assert len(values) == 2
    assert not any(SECRET.encode() in value for value in values)


def test_setting_a_key_again_replaces_its_value_and_kind(keys):
    keys.set("token", SECRET)

    keys.set("token", "public", secret=False)

    assert keys.get("token") == "public"
    assert keys.names() == {"token": False}


def test_a_deleted_key_is_gone(keys):
    keys.set("token", SECRET)

    keys.delete("token")

    assert keys.find("token") is None
    for call in (keys.get, keys.is_secret, keys.delete):
        with pytest.raises(NotFound, match="token"):
            call("token")


@pytest.mark.parametrize("name", ["", "two words", "a.b", "ä", "x\n", "{x}"])
def test_a_name_with_other_characters_is_refused(keys, name):
    with pytest.raises(BadData, match="letters, digits"):
        keys.set(name, "value")


def test_a_secret_cannot_be_empty(keys):
    with pytest.raises(BadData, match="quaero keys delete token"):
        keys.set("token", "")


def test_plain_values_need_no_encryption_key(open_store, folder):
    keys = open_store(**{KEY_VARIABLE: "rubbish"})

    keys.set("motto", "plain", secret=False)

    assert keys.get("motto") == "plain"
    assert not (folder / KEY_FILE).exists()


def test_the_key_file_is_for_this_user_alone_and_made_once(keys, folder):
    keys.set("one", SECRET)
    first = (folder / KEY_FILE).read_bytes()

    keys.set("two", SECRET)

    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert (folder / KEY_FILE).read_bytes() == first
    assert [path.name for path in folder.glob(".secret*")] == []


def test_processes_that_start_together_agree_on_one_key(folder):
    program = (
        "import sys; from pathlib import Path; from quaero.storage.keys import EncryptionKey\n"
        "key = EncryptionKey(Path(sys.argv[1]), {})\n"
        "print('ready', flush=True); sys.stdin.readline(); print(key.get_or_create().hex())"
    )
    command = [sys.executable, "-c", program, str(folder)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    made = {process.communicate(timeout=30)[0] for process in processes}

    assert len(made) == 1
    assert {f"{EncryptionKey(folder, {}).find().hex()}\n"} == made


@pytest.mark.parametrize(
    "encode",
    [bytes.hex, lambda raw: base64.b64encode(raw).decode(), lambda raw: base64.urlsafe_b64encode(raw).decode()[:-1]],
    ids=["hex", "base64", "urlsafe without padding"],
)
def test_the_key_from_the_environment_is_hex_or_base64(open_store, folder, encode):
    raw = bytes(range(224, 256))
    open_store(**{KEY_VARIABLE: encode(raw)}).set("token", SECRET)

    assert open_store(**{KEY_VARIABLE: f"{raw.hex()}\n"}).get("token") == SECRET
    assert not (folder / KEY_FILE).exists()


@pytest.mark.parametrize("text", ["short", "ab" * 31, "zz" * 32, base64.b64encode(bytes(16)).decode(), "ä" * 44])
def test_a_key_of_the_wrong_length_is_refused_with_the_fix(open_store, text):
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE}.*32 bytes as base64 or hex") as refused:
        open_store(**{KEY_VARIABLE: text}).set("token", SECRET)

    assert text not in str(refused.value)


def test_a_wrong_key_gives_an_error_that_names_the_key_and_the_fix(keys, open_store):
    keys.set("token", SECRET)

    with pytest.raises(ConfigError, match=rf"'token'.*another key.*{KEY_VARIABLE}.*quaero keys set token"):
        open_store(**{KEY_VARIABLE: "00" * 32}).get("token")


def test_a_lost_key_gives_an_error_that_names_the_key_and_the_fix(keys, folder):
    keys.set("token", SECRET)
    (folder / KEY_FILE).unlink()

    with pytest.raises(ConfigError, match=r"'token'.*lost.*secret\.key.*quaero keys set token"):
        keys.get("token")


def test_a_damaged_key_file_is_named(keys, folder):
    keys.set("token", SECRET)
    (folder / KEY_FILE).write_bytes(b"\xff\x00nonsense")

    with pytest.raises(ConfigError, match=r"secret\.key.*not an encryption key"):
        keys.get("token")


@pytest.mark.parametrize("length", [40, 20])
def test_a_damaged_value_is_told_apart_from_a_wrong_key(keys, database, length):
    keys.set("token", SECRET * 3)
    column = sealed_column(database)
    changed(database, f"UPDATE keys SET {column} = substr({column}, 1, {length})")

    with pytest.raises(ConfigError, match=r"'token'.*damaged"):
        keys.get("token")


def test_a_value_moved_to_another_name_does_not_open(keys, database):
    keys.set("cheap", "nothing")
    keys.set("dear", SECRET)
    column = sealed_column(database)
    moved = f"SELECT {column} FROM keys WHERE name = 'dear'"
    changed(database, f"UPDATE keys SET {column} = ({moved}) WHERE name = 'cheap'")

    with pytest.raises(ConfigError, match="'cheap'"):
        keys.get("cheap")
    assert keys.get("dear") == SECRET


@pytest.fixture
def masker():
    return Masker()


@pytest.fixture
def resolver(keys, masker):
    keys.set("token", SECRET)
    keys.set("motto", "plain-motto", secret=False)
    environ = {"MY_VAR": "from-environment", "EODHD_API_KEY": "eodhd-variable", "MOTTO": "not this"}
    return SecretResolver(keys, environ, masker)


@pytest.mark.parametrize(
    ("text", "revealed"),
    [
        ("Bearer {token}", f"Bearer {SECRET}"),
        ("{motto}{motto}", "plain-mottoplain-motto"),
        ("x={env.MY_VAR};", "x=from-environment;"),
        ("{eodhd_api_key}", "eodhd-variable"),
        ("{{token}} {{}} {{{{", "{token} {} {{"),
        ("{{{motto}}}", "{plain-motto}"),
        ('{"json": {"a": 1}} {} { token }', '{"json": {"a": 1}} {} { token }'),
        ("no braces", "no braces"),
    ],
)
def test_references_are_replaced_and_other_braces_stay(resolver, text, revealed):
    assert resolver.reveal(text) == revealed


def test_what_was_revealed_is_masked_unless_it_is_plain(resolver, masker):
    revealed = resolver.reveal("{token} {env.MY_VAR} {eodhd_api_key} {motto}")

    assert masker.text(revealed) == f"{MASK} {MASK} {MASK} plain-motto"


def test_nothing_is_masked_before_it_is_revealed(resolver, masker):
    resolver.reveal("{motto}")

    assert not masker.active


def test_a_stored_api_key_is_used_where_the_environment_has_none(resolver, keys):
    keys.set("other-api-key", "stored")

    assert resolver.reveal("{other-api-key}") == "stored"


def test_an_unknown_reference_is_named_with_the_fix(resolver):
    with pytest.raises(BadData, match=r"{nosuch}.*quaero keys set nosuch"):
        resolver.reveal("a {nosuch}")
    with pytest.raises(BadData, match=r"{config\.nosuch}.*add it to the job definition"):
        resolver.reveal("a {config.nosuch}")
    with pytest.raises(BadData, match=r"{env\.NOSUCH}.*set it where Quaero runs"):
        resolver.reveal("a {env.NOSUCH}")

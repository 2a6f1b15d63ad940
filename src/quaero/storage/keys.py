"""Keys: named values that job definitions use as ``{name}``; secret ones are encrypted at rest."""

from __future__ import annotations

import binascii
import hashlib
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quaero.definitions.placeholders import Reference, find_key, is_key_name, resolve
from quaero.errors import BadData, ConfigError, NotFound
from quaero.ports.clock import Clock
from quaero.ports.storage import KeyStore
from quaero.queue.masking import Masker
from quaero.storage.database import Database, Readers
from quaero.storage.statements import statements

KEY_VARIABLE = "QUAERO_SECRET_KEY"
KEY_FILE = "secret.key"

_KEY_BYTES = 32
_FORMAT = b"\x01"
_VERSION_BYTES = 4
_HEADER = len(_FORMAT) + _VERSION_BYTES
_NONCE_BYTES = 12
_NONCE_END = _HEADER + _NONCE_BYTES
"""A sealed value: format (1 byte), key version (4), nonce (12), AES-GCM ciphertext with its tag."""


class EncryptionKey:
    """The key that opens secret values: from the environment, else from a file in the data folder.

    The file is made when the first secret is stored, readable by this user alone. Whoever copies the folder
    copies the key; to keep them apart, set the variable.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._path = folder / KEY_FILE
        self._environ = environ

    @property
    def origin(self) -> str:
        """Where the key comes from, for messages."""
        return KEY_VARIABLE if self._environ.get(KEY_VARIABLE) else str(self._path)

    def find(self) -> bytes | None:
        """The key's 32 bytes; None when there is none yet.

        Raises:
            ConfigError: there is one, but it can't be used.
        """
        if given := self._environ.get(KEY_VARIABLE):
            return _decoded(given, self.origin)
        try:
            text = self._path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self._path}: can't be read ({error.strerror}); it holds the encryption key") from error
        return _decoded(text, self.origin)

    def version(self) -> str:
        """A fingerprint of the key, as stored with what it seals; empty when there is none yet.

        Raises:
            ConfigError: there is one, but it can't be used.
        """
        key = self.find()
        return "" if key is None else _version(key).hex()

    def get_or_create(self) -> bytes:
        """The key's 32 bytes; of several processes that find none, one makes it and all use that one."""
        found = self.find()
        if found is None:
            self._create()
            found = self.find()
        if found is None:
            raise ConfigError(f"{self._path}: vanished as soon as it was made; set {KEY_VARIABLE} instead")
        return found

    def _create(self) -> None:
        """A link either is there whole or fails because another process was first."""
        draft = self._path.with_name(f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._path.hardlink_to(draft)
            _sync_folder(self._path.parent)
        except FileExistsError:
            return
        except OSError as error:
            message = f"{self._path}: can't be made ({error.strerror}); make the folder writable or set {KEY_VARIABLE}"
            raise ConfigError(message) from error
        finally:
            draft.unlink(missing_ok=True)


class SqlKeyStore:
    """Keys in the main database. Values come out in the clear; masking them is the caller's duty.

    A write opens a connection of its own for the moment, so that the command line can set a key while the
    engine runs. Encryption: AES-256-GCM with the name as associated data, so a value can't be moved to
    another name.
    """

    def __init__(self, database: Database, readers: Readers, key: EncryptionKey, clock: Clock) -> None:
        self._database = database
        self._readers = readers
        self._key = key
        self._clock = clock
        self._sql = statements(database.dialect, "keys")

    def set(self, name: str, value: str, *, secret: bool = True) -> None:
        """Store ``value`` under ``name``, over any earlier one.

        Raises:
            BadData: the name has other characters than letters, digits, ``_`` and ``-``, or a secret is empty.
            ConfigError: the encryption key can't be used.
        """
        if not is_key_name(name):
            raise BadData(f"key name {name!r}: use letters, digits, '_' and '-' only")
        if secret and not value:
            raise BadData(f"key '{name}': a secret can't be empty; use `quaero keys delete {name}` to remove it")
        row = {"name": name, "secret": int(secret), "value": value, "sealed": None, "key_version": None}
        if secret:
            key = self._key.get_or_create()
            row |= {"value": None, "sealed": _seal(key, name, value), "key_version": _version(key).hex()}
        self._write("put", {**row, "now": self._clock.now()})

    def get(self, name: str) -> str:
        """The value.

        Raises:
            NotFound: nothing is stored under this name.
            ConfigError: it was sealed with another encryption key, or is damaged.
        """
        value = self.find(name)
        if value is None:
            raise NotFound(_unknown(name))
        return value

    def find(self, name: str) -> str | None:
        row = self._readers.get().fetch_one(self._sql["find"], {"name": name})
        if row is None:
            return None
        secret, value, sealed = row
        return self._open(name, sealed) if secret else str(value)

    def delete(self, name: str) -> None:
        """Forget a key; raises NotFound where there is none."""
        if not self._write("delete", {"name": name}):
            raise NotFound(_unknown(name))

    def names(self) -> dict[str, bool]:
        """Name -> is it secret, by name."""
        return {name: bool(secret) for name, secret in self._readers.get().fetch_all(self._sql["names"])}

    def is_secret(self, name: str) -> bool:
        row = self._readers.get().fetch_one(self._sql["find"], {"name": name})
        if row is None:
            raise NotFound(_unknown(name))
        return bool(row[0])

    def _write(self, statement: str, params: Mapping[str, object]) -> int:
        db = self._database.connect()
        try:
            with db.transaction():
                return db.run(self._sql[statement], params)
        finally:
            db.close()

    def _open(self, name: str, sealed: bytes) -> str:
        fix = f"restore the key, or store the value again: quaero keys set {name}"
        key = self._key.find()
        if key is None:
            raise ConfigError(f"key '{name}': the encryption key is lost ({self._key.origin} is missing); {fix}")
        header, nonce, ciphertext = sealed[:_HEADER], sealed[_HEADER:_NONCE_END], sealed[_NONCE_END:]
        if header != _header(key):
            raise ConfigError(f"key '{name}': was encrypted with another key than the one in {self._key.origin}; {fix}")
        try:
            opened = AESGCM(key).decrypt(nonce, ciphertext, name.encode())
        except (InvalidTag, ValueError) as error:
            message = f"key '{name}': its stored value is damaged; store it again: quaero keys set {name}"
            raise ConfigError(message) from error
        return opened.decode("utf-8", "surrogatepass")


class SecretResolver:
    """Puts values into the place of ``{key}`` and ``{env.NAME}``, in the process that runs the job.

    The second phase of ``quaero.definitions.placeholders``: to be done once, on texts in which ``{config.name}``
    is replaced already. A secret is made known to the masker before it is handed out.
    """

    def __init__(self, keys: KeyStore, environ: Mapping[str, str], masker: Masker) -> None:
        self._keys = keys
        self._environ = environ
        self._masker = masker

    def reveal(self, text: str, config: Mapping[str, object] = MappingProxyType({})) -> str:
        """``text`` with its references resolved and doubled braces made single.

        ``config`` is the definition's: the last place where a name that looks like an API key is looked for.

        Raises:
            BadData: a reference names nothing; says which and how to set it.
            ConfigError: a stored secret can't be opened.
        """
        return str(resolve(text, lambda reference: self._value(reference, config)))

    def _value(self, reference: Reference, config: Mapping[str, object]) -> str:
        match reference.kind:
            case "env":
                return self._variable(reference)
            case "key":
                return self._key(reference, config)
            case "config":
                raise BadData(f"{reference}: [config] has no such name; add it to the job definition")

    def _variable(self, reference: Reference) -> str:
        value = self._environ.get(reference.name)
        if value is None:
            raise BadData(f"{reference}: the environment has no such variable; set it where Quaero runs")
        self._masker.add(value)
        return value

    def _key(self, reference: Reference, config: Mapping[str, object]) -> str:
        name = reference.name
        found = find_key(name, environment=self._environ, stored=self._keys.find, config=config)
        if found is None:
            raise BadData(f"{reference}: no key of this name; store it with: quaero keys set {name}")
        # A key that was deleted in between counts as secret.
        if found.source != "store" or self._keys.names().get(name, True):
            self._masker.add(found.value)
        return found.value


def _unknown(name: str) -> str:
    return f"no key '{name}' is stored (quaero keys list shows them all)"


def _decoded(text: str, origin: str) -> bytes:
    """32 bytes, from hex or base64."""
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * _KEY_BYTES else _from_base64(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        make = 'python3 -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"'
        raise ConfigError(
            f"{origin}: not an encryption key; it must be {_KEY_BYTES} bytes as base64 or hex "
            f"({4 * -(-_KEY_BYTES // 3)} or {2 * _KEY_BYTES} characters), as made by: {make}"
        )
    return key


def _from_base64(text: str) -> bytes:
    standard = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _version(key: bytes) -> bytes:
    """A fingerprint that tells keys apart and gives nothing of them away."""
    return hashlib.sha256(b"quaero key version\0" + key).digest()[:_VERSION_BYTES]


def _header(key: bytes) -> bytes:
    return _FORMAT + _version(key)


def _seal(key: bytes, name: str, value: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, value.encode("utf-8", "surrogatepass"), name.encode())
    return _header(key) + nonce + ciphertext


def _sync_folder(folder: Path) -> None:
    """Makes a new name in the folder survive a power cut; where folders can't be opened, they need no sync."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

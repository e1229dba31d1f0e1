"""Values that the store holds encrypted: keys of providers, secrets of agents, tokens of MCP servers.

AES-256-GCM. What a value belongs to is part of what is checked when it is opened, so a sealed value that was moved to
another row, or another tenant, opens nothing. Whoever has both the store and the key has everything: see
docs/security.md.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from kelpie.errors import InvalidInput, StoreError
from umi.dst import Rng

if TYPE_CHECKING:  # 30 ms, for servers that seal something
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "sealed1:"
KEY_FILE_NAME = "encryption.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class CannotUnseal(StoreError):
    """A sealed value that this server's key does not open, or a key that is not there."""


class Seal:
    """key_of  gives what the key is made of, at the first use: see `of_text` and `of_file`"""

    def __init__(self, key_of: Callable[[], bytes], rng: Rng) -> None:
        self._key_of, self._rng = key_of, rng.fork("seal")
        self._cipher: AESGCM | None = None

    def __repr__(self) -> str:
        return "<Seal>"

    def make_ready(self) -> None:
        """Have the key, or say why there is none, before anything depends on it. Raises CannotUnseal."""
        self._key_of()

    def sealed(self, text: str, *about: str) -> str:
        """`text`, encrypted; `about` says what it belongs to: tenant, table and id. "" stays "": there is nothing to
        hide. Raises InvalidInput for half of a surrogate pair."""
        if not text:
            return ""
        try:
            plain = text.encode()
        except UnicodeEncodeError:
            raise InvalidInput("a secret holds half of a surrogate pair") from None
        nonce = self._rng.bytes(_NONCE_BYTES)
        hidden = self._aes().encrypt(nonce, plain, _about(about))
        return PREFIX + base64.b64encode(nonce + hidden).decode()

    def opened(self, kept: str, *about: str) -> str:
        """What was sealed; a value from before there was a seal is returned as it is. Raises CannotUnseal."""
        if not kept.startswith(PREFIX):
            return kept
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(kept[len(PREFIX) :], validate=True)
            return self._aes().decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _about(about)).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise CannotUnseal(
                "a secret in the store does not open with this server's encryption key: is KELPIE_ENCRYPTION_KEY, or"
                " the key file, another one than it was?"
            ) from None

    def _aes(self) -> "AESGCM":
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(hashlib.sha256(b"kelpie seal 1\0" + self._key_of()).digest())
        return self._cipher


class Unsealed(Seal):
    """Seals nothing: for tests, and simulations, which keep nobody's secrets."""

    def __init__(self) -> None:
        super().__init__(bytes, Rng(0))

    def __repr__(self) -> str:
        return "<Unsealed>"

    def sealed(self, text: str, *about: str) -> str:  # noqa: ARG002 - as it is
        return text

    def opened(self, kept: str, *about: str) -> str:  # noqa: ARG002
        if kept.startswith(PREFIX):
            raise CannotUnseal("a secret in the store is sealed, and this server has no encryption key")
        return kept


UNSEALED = Unsealed()


def _about(parts: tuple[str, ...]) -> bytes:
    return "\0".join(parts).encode("utf-8", "surrogatepass")


def of_text(key: str, rng: Rng) -> Seal:
    """The seal of a setting's text: any, with enough chance in it."""
    return Seal(key.encode, rng)


def of_file(path: str, rng: Rng) -> Seal:
    """The seal of a key file, which is made, readable for its owner alone, where there is none."""

    def key() -> bytes:
        try:
            try:
                with open(path, "rb") as file:
                    found = file.read().strip()
            except FileNotFoundError:
                found = _made(path, rng)
        except OSError as error:
            raise CannotUnseal(f"the key file {path} can't be read or made: {error.strerror}") from error
        if len(found) < _KEY_BYTES:
            raise CannotUnseal(f"the key file {path} holds fewer than {_KEY_BYTES} bytes: it was cut, or is none")
        return found

    return Seal(key, rng)


def _made(path: str, rng: Rng) -> bytes:
    """Written beside and linked into place: a crash leaves no half key, and of two makers one wins."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    key = base64.b64encode(rng.bytes(_KEY_BYTES))
    beside = f"{path}.{rng.bytes(8).hex()}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            with open(path, "rb") as file:
                return file.read().strip()
    finally:
        os.unlink(beside)
    _keep_names(os.path.dirname(path) or ".")
    return key


def _keep_names(folder: str) -> None:
    """What is sealed with the key outlives a loss of power; so must its file's name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Values that Letta encrypted with LETTA_ENCRYPTION_KEY: AES-256-GCM, the key derived by PBKDF2, all of it in base64.

Without a key it keeps them as they are, in the same column.
"""

import base64
import binascii
import hashlib

_SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 16, 12, 16
_ROUNDS = 100_000
_PLACEHOLDER = "<encrypted>"
# What keys of well-known services begin with: such a text is one, however much it looks like base64.
_PLAIN = "sk- pk- api- key- token- xoxb- xoxp- ghp_ gho_ ghu_ ghs_ ghr_ AKIA ABIA ACCA ASIA".split()


def opened(plain: str | None, encrypted: str | None, key: str | None) -> str | None:
    """The value of a variable, from its two columns; None where it can't be read without the (right) key."""
    if not encrypted:
        return plain if plain != _PLACEHOLDER else None
    sealed = _sealed(encrypted)
    if sealed is None:
        return encrypted
    found = _decrypted(sealed, key) if key else None
    if found is None and plain and plain != _PLACEHOLDER:
        return plain  # older servers kept both
    return found


def _sealed(text: str) -> bytes | None:
    """The bytes of an encrypted value; None for a text that is none."""
    if text.startswith(tuple(_PLAIN)):
        return None
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) > _SALT_BYTES + _NONCE_BYTES + _TAG_BYTES else None


def _decrypted(sealed: bytes, key: str) -> str | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce, rest = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:][:_NONCE_BYTES], sealed[_SALT_BYTES + _NONCE_BYTES :]
    derived = hashlib.pbkdf2_hmac("sha256", key.encode(), salt, _ROUNDS, 32)
    try:
        return AESGCM(derived).decrypt(nonce, rest, None).decode()
    except (InvalidTag, UnicodeDecodeError):
        return None

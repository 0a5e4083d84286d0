"""Encryption of stored credentials: AES-256-GCM, bound to the connection, with rotatable keys.

What is stored is a JSON envelope: `{"v": 1, "kid": "<8 hex>", "nonce": "<base64>", "ct": "<base64>"}`. The
connection's id is the associated data, so a row copied to another connection does not decrypt. Belongs here:
keys and envelopes. Does not: where credentials are read from or written to.
"""

import base64
import binascii
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from integrations_pipeline.errors import ConfigurationError, CredentialsError

VERSION = 1
KEY_BYTES = 32
#: NIST SP 800-38D: 96 bits, random, is safe for 2^32 messages of one key.
NONCE_BYTES = 12
VARIABLE = "INTEGRATIONS_ENCRYPTION_KEYS"
#: No credentials of any provider have keys of these names.
_PARTS = frozenset({"kid", "nonce", "ct"})


class Cipher:
    """Encrypts with the first key and decrypts with whichever key an envelope names.

    `keys` are 32 bytes each, newest first; ConfigurationError if there is none or one is of another length.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ConfigurationError(f"{VARIABLE}: no key")
        for position, key in enumerate(keys, start=1):
            if len(key) != KEY_BYTES:
                raise ConfigurationError(f"{VARIABLE}: key {position} is not {KEY_BYTES} bytes long")
        self._keys = {_key_id(key): key for key in keys}
        self._newest = _key_id(keys[0])

    def __repr__(self) -> str:
        return f"Cipher({', '.join(self._keys)})"

    @classmethod
    def from_text(cls, text: str) -> "Cipher":
        """Keys separated by commas, newest first, each as base64 (either alphabet) or 64 hex digits."""
        return cls([_parse_key(part.strip(), position) for position, part in enumerate(text.split(","), start=1)])

    def encrypt(self, value: Mapping[str, object], *, connection_id: UUID) -> dict[str, Any]:
        """The envelope of a JSON object; each call gives another one."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - lists do without

        nonce = os.urandom(NONCE_BYTES)
        plain = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        sealed = AESGCM(self._keys[self._newest]).encrypt(nonce, plain, connection_id.bytes)
        return {"v": VERSION, "kid": self._newest, "nonce": _encode(nonce), "ct": _encode(sealed)}

    def decrypt(self, envelope: Mapping[str, object], *, connection_id: UUID) -> dict[str, Any]:
        """What was encrypted for this connection.

        CredentialsError, naming the connection, if the key is not among ours (names its id), if the envelope
        was changed, or if it was made for another connection or by a later version. What stands beside the parts
        of an envelope is not read.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - lists do without
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - the same

        if not is_encrypted(envelope):
            raise CredentialsError(f"connection {connection_id}: its credentials are not encrypted as expected")
        if envelope.get("v") != VERSION:
            raise CredentialsError(
                f"connection {connection_id}: its credentials were encrypted by another version of this program; "
                "install that one, or authorise it again"
            )
        if not set(_PARTS) <= set(envelope):
            raise CredentialsError(_changed(connection_id))
        key_id = str(envelope["kid"])
        key = self._keys.get(key_id)
        if key is None:
            raise CredentialsError(
                f"connection {connection_id}: its credentials need key {key_id}; add that key to {VARIABLE}"
            )
        try:
            nonce, sealed = (base64.b64decode(str(envelope[part]), validate=True) for part in ("nonce", "ct"))
            plain = AESGCM(key).decrypt(nonce, sealed, connection_id.bytes)
        except (InvalidTag, ValueError) as error:
            raise CredentialsError(_changed(connection_id)) from error
        value: dict[str, Any] = json.loads(plain)
        return value

    def needs_rotation(self, envelope: Mapping[str, object]) -> bool:
        """Whether encrypting again would help: an older key was used, or none at all."""
        return envelope.get("kid") != self._newest or not is_encrypted(envelope)


def is_encrypted(value: Mapping[str, object]) -> bool:
    """Whether a stored value is an envelope, also a damaged one or one of another version, and not plain credentials
    of the original.

    In doubt it is one: an envelope taken for plain credentials would be encrypted once more, and lost.
    """
    return not _PARTS.isdisjoint(value)


def _changed(connection_id: UUID) -> str:
    return (
        f"connection {connection_id}: its credentials were changed, or belong to another connection; authorise it again"
    )


def generate_key_text() -> str:
    """A new random key as urlsafe base64, fit for INTEGRATIONS_ENCRYPTION_KEYS."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def load_or_create_key_file(path: Path) -> str:
    """The text of the key file, made once with a new key and mode 0600; several processes get one key.

    The new file is complete before it gets its name, and a name that exists is never replaced.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _create_exclusively(path, generate_key_text() + "\n")
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"encryption key file {path} cannot be read or made") from error
    if not text:
        raise ConfigurationError(f"encryption key file {path} is empty; restore it from a backup")
    return text


def _create_exclusively(path: Path, content: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.link(name, path)
    except FileExistsError:
        pass  # another process was first: its key counts
    finally:
        os.unlink(name)


def _parse_key(text: str, position: int) -> bytes:
    """One key from its text; the message tells its place in the list and never the text."""
    try:
        if len(text) == 2 * KEY_BYTES:
            return bytes.fromhex(text)
        standard = text.replace("-", "+").replace("_", "/")
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{VARIABLE}: key {position} is not {KEY_BYTES} bytes in base64 or hex") from None
    return key


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()

"""OAuth tokens of connections: renewed under a lock, kept alive, taken back; and keys rotated.

Belongs here: statements on the credentials of `integration_connections`. Does not: talking to a provider
(`sync.tokens`), connections themselves (`connections`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.errors import ConfigurationError, CredentialsError
from integrations_pipeline.store.encryption import Cipher, is_encrypted
from integrations_pipeline.store.rows import dump


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTokens:
    """A connection's credentials as they are now, decrypted, and its status."""

    credentials: Mapping[str, Any] = field(repr=False)
    status: str
    error_message: str | None


def save_credentials(
    connection: Connection, connection_id: UUID, credentials: Mapping[str, Any], cipher: Cipher
) -> None:
    """Replace the credentials, encrypted; status and settings stay."""
    envelope = cipher.encrypt(credentials, connection_id=connection_id)
    statement = text("update integration_connections set credentials = cast(:envelope as jsonb) where id = :id")
    connection.execute(statement, {"id": connection_id, "envelope": dump(envelope)})


#: Those that this server has: `transaction_timeout` came with Postgres 17.
_WITHOUT_LIMITS = text(
    "select set_config(name, '0', true) from pg_settings where name in "
    "('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"
)


def lock_tokens(connection: Connection, connection_id: UUID) -> None:
    """Wait until nobody else renews this connection's tokens; the lock ends with the transaction.

    It waits and holds without limits: a token endpoint may be slower than any timeout that the server was
    given, and a transaction cut off after the endpoint answered would lose the new tokens.
    """
    connection.execute(_WITHOUT_LIMITS)
    digest = hashlib.sha256(b"integration tokens" + connection_id.bytes).digest()
    key = int.from_bytes(digest[:8], signed=True)
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": key})


def read_tokens(connection: Connection, connection_id: UUID, cipher: Cipher) -> StoredTokens:
    """The credentials now; `CredentialsError` if the connection is gone or no key opens them."""
    statement = text("select credentials, status, error_message from integration_connections where id = :id")
    row = connection.execute(statement, {"id": connection_id}).one_or_none()
    if row is None:
        raise CredentialsError("the connection does not exist any more")
    credentials = cipher.decrypt(row.credentials, connection_id=connection_id) if row.credentials else {}
    return StoredTokens(credentials=credentials, status=row.status, error_message=row.error_message)


def save_tokens(
    connection: Connection, connection_id: UUID, credentials: Mapping[str, Any], cipher: Cipher, now: datetime
) -> None:
    """Replace the credentials after a renewal at `now`."""
    save_credentials(connection, connection_id, credentials, cipher)
    statement = text("update integration_connections set token_refreshed_at = :now where id = :id")
    connection.execute(statement, {"id": connection_id, "now": now})


def disconnect(connection: Connection, connection_id: UUID, message: str) -> None:
    """Put the connection aside until a person authorises it again; nothing that was synced is forgotten."""
    statement = text(
        "update integration_connections set status = 'disconnected', error_message = :message where id = :id"
    )
    connection.execute(statement, {"id": connection_id, "message": message[:1000]})


def reconnect(connection: Connection, connection_id: UUID) -> None:
    """Take back a `disconnect` that was premature; any other status stays."""
    statement = text(
        "update integration_connections set error_message = null, "
        "status = case when sync_enabled then 'active' else 'paused' end where id = :id and status = 'disconnected'"
    )
    connection.execute(statement, {"id": connection_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleToken:
    workspace_slug: str
    integration_type: str


def stale_tokens(connection: Connection, before: datetime, limit: int) -> list[StaleToken]:
    """Connections whose refresh token lies unused since before then, across workspaces; oldest first."""
    statement = text("select workspace_slug, integration_type from integrations_stale_tokens(:before, :limit)")
    found = connection.execute(statement, {"before": before, "limit": limit})
    return [StaleToken(workspace_slug=row[0], integration_type=row[1]) for row in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How many credentials were encrypted again, how many needed it not, and why others could not be read."""

    rotated: int
    current: int
    unreadable: Sequence[str] = ()


def rotate_keys(connection: Connection, cipher: Cipher) -> Rotation:
    """Encrypt all credentials with the newest key, in the caller's transaction; those that no key opens stay
    as they are and are named. Connections are locked row by row, so no renewal is overwritten."""
    found = connection.execute(
        text("select id, credentials from integration_connections where credentials <> '{}' order by id for update")
    ).fetchall()
    rotated, unreadable = 0, []
    for row in found:
        if is_encrypted(row.credentials) and not cipher.needs_rotation(row.credentials):
            continue
        try:
            plain = cipher.decrypt(row.credentials, connection_id=row.id)
        except CredentialsError as error:
            unreadable.append(str(error))
            continue
        save_credentials(connection, row.id, plain, cipher)
        rotated += 1
    return Rotation(rotated=rotated, current=len(found) - rotated - len(unreadable), unreadable=unreadable)


def encrypt_plain(connection: Connection, connection_id: UUID, cipher: Cipher) -> None:
    """Encrypt a connection's credentials if another program stored them in plain. `ConfigurationError`, which repeats
    nothing of them, where they are no JSON object."""
    statement = text("select credentials from integration_connections where id = :id for update")
    found = connection.execute(statement, {"id": connection_id}).scalar_one_or_none()
    if found and not isinstance(found, dict):
        raise ConfigurationError(f"connection {connection_id}: its credentials are no JSON object")
    if found and not is_encrypted(found):
        save_credentials(connection, connection_id, found, cipher)


def encrypt_plain_credentials(connection: Connection, cipher: Cipher) -> int:
    """Encrypt credentials that an adopted database of the original holds in plain; returns how many."""
    found = connection.execute(text("select id, credentials from integration_connections for update")).fetchall()
    plain = [row for row in found if row.credentials and not is_encrypted(row.credentials)]
    for row in plain:
        save_credentials(connection, row.id, row.credentials, cipher)
    return len(plain)

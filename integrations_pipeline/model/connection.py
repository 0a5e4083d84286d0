"""A connection as callers in Python see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

_NOT_TOLD: Any = object()
#: What the original has as fields of the config, and among the credentials of its table.
_AMONG_CREDENTIALS = ("access_token", "refresh_token", "token_expires_at", "api_key")
#: Of the fields that are never None; the others are None.
_DEFAULTS: Mapping[str, Any] = {
    "credentials": {},
    "settings": {},
    "status": "active",
    "enabled": True,
    "error_count": 0,
    "sync_frequency_minutes": 15,
}


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class IntegrationConfig:
    """One connection as `BaseIntegrationSync` sees it; credentials are decrypted and never logged.

    `access_token`, `refresh_token`, `token_expires_at` (a `datetime`, one without a zone being this machine's time, or
    ISO 8601 text) and `api_key` may be given by themselves: they are kept in `credentials`, over what stands there
    under the same name, and read from there. `status` is `active`, `paused`, `error` or `disconnected`;
    `workspace_id` and `id` are texts. What is not told has its default: active, enabled, every 15 minutes.
    """

    workspace_id: str
    integration_name: str
    id: str | None
    oauth_provider: str | None
    credentials: Mapping[str, Any] = field(repr=False)
    settings: Mapping[str, Any]
    status: str
    enabled: bool
    error_message: str | None
    error_count: int
    last_sync_at: datetime | None
    sync_frequency_minutes: int
    created_at: datetime | None
    updated_at: datetime | None
    #: The names of the fields that were given: the others are nobody's word.
    told: frozenset[str] = field(init=False, repr=False, compare=False)

    def __init__(  # noqa: PLR0913 - the original's fields
        self,
        *,
        workspace_id: UUID | str,
        integration_name: str,
        id: UUID | str | None = _NOT_TOLD,
        oauth_provider: str | None = _NOT_TOLD,
        access_token: str | None = _NOT_TOLD,
        refresh_token: str | None = _NOT_TOLD,
        token_expires_at: datetime | str | None = _NOT_TOLD,
        api_key: str | None = _NOT_TOLD,
        credentials: Mapping[str, Any] | None = _NOT_TOLD,
        settings: Mapping[str, Any] | None = _NOT_TOLD,
        status: str | None = _NOT_TOLD,
        enabled: bool | None = _NOT_TOLD,
        error_message: str | None = _NOT_TOLD,
        error_count: int | None = _NOT_TOLD,
        last_sync_at: datetime | None = _NOT_TOLD,
        sync_frequency_minutes: int | None = _NOT_TOLD,
        created_at: datetime | None = _NOT_TOLD,
        updated_at: datetime | None = _NOT_TOLD,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self" and value is not _NOT_TOLD}
        told = _gathered(given)
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, told.get(name, _DEFAULTS.get(name)))
        object.__setattr__(self, "told", frozenset(told))

    @property
    def access_token(self) -> str | None:
        return self.credentials.get("access_token")

    @property
    def refresh_token(self) -> str | None:
        return self.credentials.get("refresh_token")

    @property
    def api_key(self) -> str | None:
        return self.credentials.get("api_key")

    @property
    def token_expires_at(self) -> datetime | None:
        """Aware; a text without a zone is UTC. None for a token without an end, and for a text that is no time."""
        text = self.credentials.get("token_expires_at")
        try:
            found = datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
        except ValueError:
            return None
        return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _gathered(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is told, by field. None says nothing where a field is never None."""
    told = {name: value for name, value in given.items() if value is not None or name not in _DEFAULTS}
    alone = {name: value for name in _AMONG_CREDENTIALS if (value := told.pop(name, None)) is not None}
    if isinstance(told.get("credentials", alone or None), Mapping):
        held = {**told.get("credentials", {}), **alone}
        told["credentials"] = {name: _as_json(value) for name, value in held.items()}
    for name in ("id", "workspace_id"):
        if told.get(name) is not None:
            told[name] = str(told[name])
    return told


def _as_json(value: Any) -> Any:
    """A time as ISO 8601 text with its zone, as credentials are stored; anything else as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value

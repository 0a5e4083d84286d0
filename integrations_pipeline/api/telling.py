"""What callers tell about a sync, read so that a slip in an except block does not hide the error it was to tell. Pure.

Belongs here: directions, times, activities and messages as they are handed in. Does not: writing them
(`store.sync_log`).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations_pipeline.errors import ConfigurationError, IntegrationError
from integrations_pipeline.model import Direction, clean_text
from integrations_pipeline.store.sync_log import MOST_INTEGER, Activity

#: Columns of `integration_activity`.
LONGEST_NAME = 50
LONGEST_ACTION = 100
LONGEST_MESSAGE = 1_000
_KNOWN = ("action", "success", "records_affected", "error_message", "metadata")


def read_direction(told: Any) -> str:
    """`to_external`, `from_external` or `bidirectional`."""
    try:
        return Direction(told).value
    except ValueError:
        names = ", ".join(each.value for each in Direction)
        raise ConfigurationError(f"direction {told!r} is none of {names}") from None


def read_time(told: datetime | float | None, now: datetime) -> datetime:
    """Aware UTC. None, and a number that is no time, is now."""
    if isinstance(told, datetime):
        return told.astimezone(UTC)
    try:
        return now if told is None else datetime.fromtimestamp(told, UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return now


def message_of(error: BaseException | str) -> str:
    """What may be logged of an error: what ours say, of others their type alone."""
    if isinstance(error, str):
        return error
    return (str(error) if isinstance(error, IntegrationError) else "") or type(error).__name__


def read_activity(name: str, told: Mapping[str, Any]) -> Activity:
    """An activity; `ConfigurationError` for what the table cannot hold."""
    unknown = sorted(str(each) for each in told if each not in _KNOWN)
    if unknown:
        raise ConfigurationError(f"unknown field {unknown[0]!r} of an activity: use {', '.join(_KNOWN)}")
    if not 0 < len(name) <= LONGEST_NAME:
        raise ConfigurationError(f"the name of an integration has 1 to {LONGEST_NAME} characters")
    action = told.get("action")
    if not isinstance(action, str) or not 0 < len(action) <= LONGEST_ACTION:
        raise ConfigurationError(f"the action of an activity is a text of 1 to {LONGEST_ACTION} characters")
    if type(told.get("success")) is not bool:
        raise ConfigurationError("an activity says whether it was a success: give success=True or success=False")
    count = told.get("records_affected") or 0
    if type(count) is not int or not 0 <= count <= MOST_INTEGER:
        raise ConfigurationError("records_affected is no whole number from 0")
    message = told.get("error_message")
    return Activity(
        integration_name=name,
        action=clean_text(action),
        success=told["success"],
        records_affected=count,
        error_message=None if message is None else clean_text(str(message))[:LONGEST_MESSAGE],
        metadata=plain_json(told.get("metadata")),
    )


def plain_json(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """As a JSON column takes it: what JSON has no word for, as text."""
    if told is not None and not isinstance(told, Mapping):
        raise ConfigurationError("metadata is no dict")
    text = json.dumps({str(key): value for key, value in (told or {}).items()}, default=str)
    found: dict[str, Any] = json.loads(text, parse_constant=str)
    return found

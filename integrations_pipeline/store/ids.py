"""Ids by their beginning, as lists show them. Belongs here: looking them up. Does not: what is done with them."""

from enum import Enum
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.errors import ConfigurationError

#: Fewer characters are a slip, and would fit half of everything.
SHORTEST = 4
_DIGITS = 32
_MOST_TOLD = 5


class IdOf(Enum):
    """What an id can be of: its table and column, and the command that shows it."""

    HELD = (
        "(select id from integration_agenda where starts_with(kind, 'held_')) held",
        "id",
        "integrations holds list",
    )
    CONFLICT = ("(select id from integration_agenda where kind = 'conflict') open", "id", "integrations conflicts list")
    FAILURE = (
        "(select id from integration_agenda where kind in ('failed', 'refused')) failed",
        "id",
        "integrations failures list",
    )
    #: A conflict that was decided, by policy or by hand, and carried out.
    DECIDED = (
        "(select id from integration_changes where conflict is not null and state = 'applied') decided",
        "id",
        "integrations conflicts list --all",
    )
    PLAN = ("integration_changes", "plan_id", "integrations plan")
    #: Of whom nothing but the journal is left, too.
    CONTACT = (
        "(select id from workspace_contacts union all select contact_id from integration_changes) known",
        "id",
        "integrations contacts list --json",
    )
    PITCH = ("pitches", "id", "integrations pitches list")
    RUN = ("integration_sync_logs", "run_id", "integrations logs")


def find_id(connection: Connection, of: IdOf, given: str) -> UUID:
    """The only id of the workspace that begins with what is given, or what is given if it is whole, known or not.

    `ConfigurationError` for what is no id, none that is known, or the beginning of several.
    """
    table, column, command = of.value
    digits = given.strip().lower().replace("-", "")
    if not SHORTEST <= len(digits) <= _DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise ConfigurationError(f"{given!r} is no id: `{command}` shows them (their first characters are enough)")
    if len(digits) == _DIGITS:
        return UUID(digits)
    statement = text(
        f"select distinct {column} from {table} where {column} between :low and :high "  # noqa: S608 - names of ours
        f"order by 1 limit {_MOST_TOLD}"
    )
    bound = {"low": UUID(digits.ljust(_DIGITS, "0")), "high": UUID(digits.ljust(_DIGITS, "f"))}
    found = list(connection.execute(statement, bound).scalars())
    if len(found) > 1:
        raise ConfigurationError(f"{given!r} is the beginning of several ids: {', '.join(map(str, found))}")
    if not found:
        raise ConfigurationError(f"no id begins with {given!r} (any more): `{command}` shows them")
    return UUID(str(found[0]))

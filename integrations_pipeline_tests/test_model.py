"""The words of the domain and the exception tree."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline import errors
from integrations_pipeline.model import (
    COUNT_NAMES,
    DIRECTION_OF,
    Agreement,
    Change,
    ChangeKind,
    Conflict,
    Direction,
    FieldKind,
    FieldRule,
    IntegrationConfig,
    MappedField,
    Plan,
    Side,
    SyncResult,
    is_contact_field,
    join_set,
    split_set,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([], [], id="empty"),
        pytest.param(["b", "a", "b"], ["b", "a"], id="each once, in order"),
        pytest.param([" a ", "", "  "], ["a"], id="blanks go"),
        pytest.param(["a\x1fb"], ["a b"], id="the separator cannot be part of a member"),
    ],
)
def test_members_of_a_set_survive_being_one_text(members: list[str], expected: list[str]) -> None:
    assert split_set(join_set(members)) == expected


def test_each_side_has_another_and_the_direction_that_writes_it() -> None:
    assert Side.LOCAL.other is Side.REMOTE
    assert Side.REMOTE.other is Side.LOCAL
    for side, direction in DIRECTION_OF.items():
        assert direction.allows(side)
        assert not direction.allows(side.other)
        assert Direction.BIDIRECTIONAL.allows(side)


@pytest.mark.parametrize(
    ("direction", "sides"),
    [
        pytest.param(Direction.TO_EXTERNAL, {Side.REMOTE}, id="out"),
        pytest.param(Direction.FROM_EXTERNAL, {Side.LOCAL}, id="in"),
        pytest.param(Direction.BIDIRECTIONAL, {Side.LOCAL, Side.REMOTE}, id="both"),
    ],
)
def test_a_mapped_field_is_written_where_its_direction_allows(direction: Direction, sides: set[Side]) -> None:
    rule = MappedField(name="email", column="E-mail", direction=direction).rule
    assert {side for side in Side if rule.writes(side)} == sides
    assert rule.kind is FieldKind.EMAIL


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("email", FieldKind.EMAIL),
        ("tags", FieldKind.SET),
        ("email_opt_out", FieldKind.CONSENT),
        ("name", FieldKind.TEXT),
        ("custom_fields.tags", FieldKind.TEXT),
    ],
)
def test_the_name_of_a_field_tells_its_kind(name: str, kind: FieldKind) -> None:
    mapped = MappedField(name=name, column="Column")
    assert mapped.kind is kind
    assert mapped.rule == FieldRule(name=name, kind=kind)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("email", True), ("custom_fields.size", True), ("custom_fields.", False), ("id", False), ("", False)],
)
def test_which_names_are_contact_fields(name: str, expected: bool) -> None:
    assert is_contact_field(name) is expected


@pytest.mark.parametrize(("winner", "local_at"), [(Side.LOCAL, NOON), (None, None)], ids=["resolved", "open"])
def test_a_conflict_is_told_in_json(winner: Side | None, local_at: datetime | None) -> None:
    values = {"base": "a", "local": "b", "remote": "c"}
    conflict = Conflict(policy="manual", winner=winner, fields={"name": values}, local_at=local_at, remote_at=local_at)
    moment = local_at.isoformat() if local_at else None
    assert conflict.to_dict() == {
        "policy": "manual",
        "winner": winner.value if winner else None,
        "fields": {"name": values},
        "local_at": moment,
        "remote_at": moment,
    }


def a_change(contact_id: str | None, external_id: str | None, conflict: Conflict | None = None) -> Change:
    return Change(
        side=Side.LOCAL,
        kind=ChangeKind.CREATE,
        contact_id=contact_id,
        external_id=external_id,
        conflict=conflict,
    )


def test_changes_sort_by_side_kind_and_ids_also_where_an_id_is_not_known_yet() -> None:
    assert a_change(None, "x").sort_key == ("local", "create", "", "x")
    assert a_change("c", None).sort_key == ("local", "create", "c", "")


def test_a_plan_counts_resolved_and_open_conflicts() -> None:
    conflict = Conflict(policy="local_wins", winner=Side.LOCAL, fields={})
    plan = Plan(
        changes=(a_change("a", None, conflict), a_change("b", None)), conflicts=(a_change("c", None, conflict),)
    )
    assert plan.conflict_count == 2


def test_a_plan_is_empty_if_it_neither_writes_nor_agrees() -> None:
    assert Plan(held=(a_change("a", None),)).is_empty
    assert not Plan(changes=(a_change("a", None),)).is_empty
    assert not Plan(agreements=(Agreement(contact_id="a", external_id="x", agreed={}, version=1),)).is_empty


def test_a_result_is_told_in_json() -> None:
    counts: dict[str, Any] = {name: position for position, name in enumerate(COUNT_NAMES, start=1)}
    result = SyncResult(
        success=True,
        direction="to_external",
        records_synced=3,
        errors=("one",),
        metadata={"k": 1},
        started_at=NOON,
        completed_at=NOON,
        **counts,
    )
    told = result.to_dict()
    assert told["errors"] == ["one"]
    assert told["started_at"] == told["completed_at"] == NOON.isoformat()
    assert told["metadata"] == {"k": 1}
    assert {name: told[name] for name in COUNT_NAMES} == counts


def test_a_configuration_reads_its_credentials_and_never_shows_them() -> None:
    secret = {
        "access_token": "t-access",
        "refresh_token": "t-refresh",
        "api_key": "t-key",
        "token_expires_at": "2024-05-01T12:00:00Z",
    }
    config = IntegrationConfig(workspace_id="w", integration_name="airtable", credentials=secret)
    assert (config.access_token, config.refresh_token, config.api_key) == ("t-access", "t-refresh", "t-key")
    assert config.token_expires_at == NOON
    assert "t-" not in repr(config)


def test_a_configuration_without_credentials_has_none() -> None:
    config = IntegrationConfig(workspace_id="w", integration_name="airtable")
    assert (config.access_token, config.refresh_token, config.api_key) == (None, None, None)
    assert config.token_expires_at is None


def every_error(root: type[errors.IntegrationError]) -> set[type[errors.IntegrationError]]:
    return {root}.union(*(every_error(child) for child in root.__subclasses__() if child.__module__ == root.__module__))


def test_the_exception_tree_drawn_in_the_docstring_is_the_one_in_the_code() -> None:
    lines = [line for line in (errors.__doc__ or "").splitlines() if "── " in line]
    drawn = {line.split("── ")[1].split()[0]: "│   " in line for line in lines}
    found = every_error(errors.IntegrationError) - {errors.IntegrationError}
    assert {error.__name__: error.__base__ is not errors.IntegrationError for error in found} == drawn


@pytest.mark.parametrize("kind", [errors.RetryableError, errors.RateLimitedError, errors.InDoubtError])
def test_an_error_that_passes_by_itself_may_say_how_long_to_wait(kind: type[errors.RetryableError]) -> None:
    assert kind("wait").retry_after_seconds is None
    error = kind("wait", retry_after_seconds=1.5)
    assert (str(error), error.retry_after_seconds) == ("wait", 1.5)


def test_a_permanent_error_may_carry_the_provider_s_code() -> None:
    assert errors.PermanentError("bad").code == ""
    assert errors.PermanentError("bad", code="INVALID").code == "INVALID"


def test_a_configuration_takes_tokens_by_themselves_and_puts_them_among_the_credentials() -> None:
    config = IntegrationConfig(
        workspace_id=UUID(int=7),
        id=UUID(int=8),
        integration_name="airtable",
        access_token="t",
        token_expires_at=NOON,
        credentials={"access_token": "old", "since": date(2024, 5, 1)},
    )
    assert (config.workspace_id, config.id) == (str(UUID(int=7)), str(UUID(int=8)))
    assert config.credentials == {"access_token": "t", "since": "2024-05-01", "token_expires_at": NOON.isoformat()}
    assert replace(config, access_token="new").access_token == "new"  # type: ignore[call-arg]  # mypy knows fields only
    assert replace(config, credentials={"api_key": "k"}).credentials == {"api_key": "k"}


def test_a_configuration_knows_what_was_told() -> None:
    config = IntegrationConfig(workspace_id="w", integration_name="airtable", error_message=None, status=None, id=None)
    assert config.told == {"workspace_id", "integration_name", "error_message", "id"}
    assert (config.status, config.enabled, config.error_count, config.sync_frequency_minutes) == ("active", True, 0, 15)
    assert IntegrationConfig(workspace_id="w", integration_name="a", credentials=None).credentials == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2024-05-01T12:00:00", NOON), ("2024-05-01T14:00:00+02:00", NOON), ("soon", None), ("", None)],
)
def test_the_end_of_a_token_is_aware_or_unknown(text: str, expected: datetime | None) -> None:
    config = IntegrationConfig(workspace_id="w", integration_name="a", token_expires_at=text)
    assert config.token_expires_at == expected


def test_a_result_is_kept_in_one_form_however_it_is_told() -> None:
    odd: dict[str, Any] = {"records_created": None, "metadata": None, "errors": None, "duration_ms": None}
    naive = datetime(2024, 5, 1, 12)  # noqa: DTZ001 - this machine's time
    told = {"success": True, "records_synced": 1, "started_at": naive, "completed_at": naive + timedelta(seconds=2)}
    result = SyncResult(direction=Direction.BIDIRECTIONAL, **told, **odd)  # type: ignore[arg-type]  # on purpose
    assert (result.direction, result.records_created, result.errors, result.metadata) == ("bidirectional", 0, (), {})
    assert (result.duration_ms, result.started_at) == (2000, naive.astimezone(UTC))
    assert SyncResult(direction="to_external", **told, errors="one").errors == ("one",)  # type: ignore[arg-type]  # the same
    assert replace(result, duration_ms=5).duration_ms == 5

"""What a field was over time, and who wrote it, as the journal lets it be told."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from integrations_pipeline.model import Side, join_set
from integrations_pipeline.store.history import ContactRow, HeldLink, JournalRow, PlaceRow, WaitingRow
from integrations_pipeline.telling.values import Written, in_order, tell_fields, written_over_time

MADE = datetime(2026, 11, 1, tzinfo=UTC)
AIRTABLE, MAILCHIMP = "airtable", "mailchimp"


def at(hours: float) -> datetime:
    return MADE + timedelta(hours=hours)


def contact(version: int = 5, **fields: str) -> ContactRow:
    return ContactRow(
        contact_id="ann",
        fields=fields,
        version=version,
        created_at=MADE,
        updated_at=at(99),
        deleted_at=None,
        opted_out_at=None,
    )


def wrote(
    hour: int, side: str, before: Mapping[str, str] | None, after: Mapping[str, str], where: str = AIRTABLE
) -> JournalRow:
    """A change that a run planned at that hour and carried out half an hour later; without values before, a create."""
    return JournalRow(
        id=f"{hour}{side}{where}",
        run_id=f"run {hour}",
        connection_id=where,
        contact_id="ann",
        external_id="rec",
        side=side,
        kind="create" if before is None else "update",
        before=before or {},
        after=after,
        state="applied",
        created_at=at(hour),
        updated_at=at(hour + 0.5),
        ordinal=hour,
    )


def story(written: tuple[Written, ...]) -> list[str]:
    """`here` or the provider, the value, and whether the time is only the latest possible one."""
    return [
        f"{each.connection_id or 'here'}: {each.value}" + ("" if each.is_exact else f" by {(each.at - MADE).days * 24}")
        for each in written
    ]


FROM, TO = "local", "remote"


@pytest.mark.parametrize(
    ("rows", "value", "expected"),
    [
        pytest.param([], "Ann", ["here: Ann by 96"], id="no run has met it"),
        pytest.param([], "", [], id="never anything"),
        pytest.param([wrote(24, FROM, None, {"name": "Ann"})], "Ann", ["airtable: Ann"], id="made from a record"),
        pytest.param([wrote(24, TO, None, {"name": "Ann"})], "Ann", ["here: Ann by 24"], id="made here and sent"),
        pytest.param(
            [wrote(24, FROM, {"name": "Ann"}, {"name": "Ann Lee"})],
            "Ann Lee",
            ["here: Ann by 24", "airtable: Ann Lee"],
            id="changed there",
        ),
        pytest.param(
            [wrote(24, FROM, {"name": ""}, {"name": "Ann"})], "Ann", ["airtable: Ann"], id="filled in from there"
        ),
        pytest.param(
            [wrote(24, FROM, None, {"name": "Ann"}), wrote(48, TO, {"name": "Ann"}, {"name": "Bo"})],
            "Bo",
            ["airtable: Ann", "here: Bo by 48"],
            id="edited here and sent",
        ),
        pytest.param(
            [wrote(24, FROM, None, {"name": "Ann"})],
            "Bo",
            ["airtable: Ann", "here: Bo by 96"],
            id="edited here since the last run",
        ),
        pytest.param(
            [wrote(24, FROM, None, {"name": "Ann"}), wrote(48, FROM, {"name": "Bo"}, {"name": "Cy"})],
            "Cy",
            ["airtable: Ann", "here: Bo by 48", "airtable: Cy"],
            id="edited here and lost against there",
        ),
        pytest.param(
            [
                wrote(24, FROM, None, {"name": "Ann"}),
                wrote(48, TO, None, {"name": "Ann"}, MAILCHIMP),
                wrote(72, TO, {"name": ""}, {"name": "Ann"}, MAILCHIMP),
            ],
            "Ann",
            ["airtable: Ann"],
            id="handed on to another provider",
        ),
        pytest.param(
            [
                wrote(24, FROM, None, {"name": "Ann"}),
                wrote(48, TO, {"name": "Ann"}, {"name": "Bo"}),
                wrote(72, TO, {"name": "Bo"}, {"name": "Ann"}),
            ],
            "Ann",
            ["airtable: Ann", "here: Bo by 48", "here: Ann by 72"],
            id="edited here there and back",
        ),
        pytest.param([wrote(24, FROM, None, {"email": "a@b.org"})], "Ann", ["here: Ann by 96"], id="another field"),
    ],
)
def test_every_value_has_its_writer(rows: list[JournalRow], value: str, expected: list[str]) -> None:
    assert story(written_over_time("name", contact(name=value), in_order(rows))) == expected


def test_a_value_of_a_contact_that_was_never_changed_is_as_old_as_the_contact() -> None:
    rows = [wrote(24, TO, None, {"name": "Ann"})]
    (only,) = written_over_time("name", contact(version=1, name="Ann"), rows)
    assert (only.side, only.at, only.is_exact, only.before) == (Side.LOCAL, MADE, True, None)


def test_tags_that_both_sides_added_to_are_no_edit_made_here() -> None:
    old, ours, theirs, both = (join_set(each) for each in (["a"], ["a", "b"], ["a", "c"], ["a", "b", "c"]))
    rows = [
        wrote(24, FROM, None, {"tags": old}),
        # In the journal the provider's row may stand first; here is written first all the same.
        wrote(48, TO, {"tags": theirs}, {"tags": both}),
        wrote(48, FROM, {"tags": ours}, {"tags": both}),
    ]
    told = story(written_over_time("tags", contact(tags=both), in_order(rows)))
    assert [each.split(":")[0] for each in told] == ["airtable", "here", "airtable"]


def test_other_writings_of_a_value_are_no_edit() -> None:
    rows = [wrote(24, FROM, None, {"email": "Ann@Example.org"})]
    assert len(written_over_time("email", contact(email="ann@example.org"), rows)) == 1


def test_of_a_row_that_is_gone_the_journal_still_tells() -> None:
    link = HeldLink(
        connection_id=AIRTABLE, contact_id="ann", external_id="rec", base={"name": "Ann"}, created_at=at(24)
    )
    rows = [wrote(24, TO, None, {"name": "Ann"})]
    (told,) = tell_fields(None, [link], rows, [], {AIRTABLE: place()})
    assert (told.value, told.there[0].agreed, told.there[0].sent_by) == (None, "Ann", "run 24")


def place(**how: object) -> PlaceRow:
    values: dict[str, object] = {
        "connection_id": AIRTABLE,
        "integration_type": AIRTABLE,
        "status": "active",
        "sync_enabled": True,
        "error_message": None,
        "last_sync_at": at(50),
        "next_sync_at": None,
        **how,
    }
    return PlaceRow(**values)  # type: ignore[arg-type]  # names and types of the row


def waits(kind: str, field: str | None = None, **fields: object) -> WaitingRow:
    return WaitingRow(
        id="w",
        connection_id=AIRTABLE,
        kind=kind,
        side="remote",
        contact_id="ann",
        external_id=None,
        field_name=field,
        fields=fields,
        reason=None,
        created_at=at(50),
        decision=None,
        decided_by=None,
        decided_at=None,
        change=None,
        change_id=None,
    )


@pytest.mark.parametrize(
    ("where", "waiting", "expected"),
    [
        pytest.param(place(), [], "waits for the next sync", id="nothing is in the way"),
        pytest.param(place(status="error"), [], "the connection is in error", id="error"),
        pytest.param(place(status="disconnected"), [], "the connection is disconnected", id="disconnected"),
        pytest.param(place(sync_enabled=False), [], "the connection is switched off", id="off"),
        pytest.param(
            place(taken_only=frozenset({"name"})), [], "its mapping only takes this field from there", id="one way"
        ),
        pytest.param(place(), [waits("conflict", "name")], "see what waits", id="conflict"),
        pytest.param(place(), [waits("conflict", "phone")], "waits for the next sync", id="conflict of another field"),
        pytest.param(place(), [waits("refused", after={"name": "Bo"})], "see what waits", id="refused"),
        pytest.param(place(), [waits("failed", after={"phone": "1"})], "waits for the next sync", id="another failed"),
        pytest.param(place(), [waits("retry")], "see what waits", id="read again"),
    ],
)
def test_a_value_that_is_not_there_says_what_keeps_it(
    where: PlaceRow, waiting: list[WaitingRow], expected: str
) -> None:
    link = HeldLink(
        connection_id=AIRTABLE, contact_id="ann", external_id="rec", base={"name": "Ann"}, created_at=at(24)
    )
    (told,) = tell_fields(contact(name="Bo"), [link], [], waiting, {AIRTABLE: where})
    assert (told.there[0].is_same, told.there[0].wait) == (False, expected)

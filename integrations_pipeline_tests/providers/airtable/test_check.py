"""A check tells what would surprise later: rights, the feed, columns and values; and it writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from integrations_pipeline.model import ContactValues, Direction, MappedField
from integrations_pipeline.providers.airtable import PROVIDER
from integrations_pipeline.providers.airtable.feed import specification
from integrations_pipeline.providers.airtable.provider import AirtableProvider
from integrations_pipeline.providers.base import CheckReport, FixedToken, ProviderContext
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import DEFAULT_TOKEN, FaultRule, SandboxOptions, SandboxServer
from integrations_sandbox.airtable.state import ALL_SCOPES

TABLE = "Contacts"
DEFAULTS = PROVIDER.default_mapping
FOREIGN = {"options": {"filters": {"dataTypes": ["tableFields"]}}}
DAY = 24 * 3600
NO_VALUES = ContactValues()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One base with its contacts table, and the checks of whoever holds a token."""

    server: SandboxServer
    network: Loopback
    base_id: str

    @property
    def table_id(self) -> str:
        return self.server.airtable.table(self.base_id, TABLE).id

    def token(self, *lacking: str, **more: Any) -> str:
        return self.server.airtable.create_token(scopes=ALL_SCOPES - set(lacking), **more).value

    def check(
        self,
        values: ContactValues = NO_VALUES,
        *,
        token: str = DEFAULT_TOKEN,
        mapping: Mapping[str, str] = DEFAULTS,
        direction: Direction = Direction.BIDIRECTIONAL,
        **settings: Any,
    ) -> CheckReport:
        """Also: that nothing was written, and no record, column or webhook made."""
        before = self.state()
        provider = AirtableProvider(
            ProviderContext(
                credentials={},
                tokens=FixedToken(value=token),
                settings={"base_id": self.base_id, "table_id": TABLE, **settings},
                mapping=[MappedField(name=n, column=c, direction=direction) for n, c in mapping.items()],
                addresses={"INTEGRATIONS_AIRTABLE_API_URL": self.server.airtable_url},
                pacer=FreePacer(),
                transport=self.network,
                is_read_only=True,
                patience_seconds=0.0,
                sleep=lambda _: None,
            )
        )
        try:
            return provider.check(values)
        finally:
            provider.close()
            assert self.state() == before

    def state(self) -> Any:
        airtable, base = self.server.airtable, self.server.airtable.base(self.base_id)
        hooks = airtable.webhooks.list(base, None, self.server.stage.clock.now())["webhooks"]
        tables = [table.to_json() for table in base.tables.values()]
        return [airtable.records(self.base_id, TABLE), tables, [(hook["id"], hook["isHookEnabled"]) for hook in hooks]]

    def hook(self, document: Mapping[str, Any], count: int = 1, owner: str | None = None) -> None:
        airtable, base = self.server.airtable, self.server.airtable.base(self.base_id)
        for _ in range(count):
            airtable.webhooks.create(base, {"specification": document}, owner, self.server.stage.clock.now())

    def column(self, name: str, kind: str, options: Mapping[str, Any] | None = None) -> None:
        self.server.airtable.change_field_type(self.base_id, TABLE, name, kind, dict(options or {}))


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def desk(server: SandboxServer) -> Iterator[Desk]:
    server.reset()
    network = Loopback()
    base_id = server.airtable.create_base("CRM").id
    server.airtable.create_contacts_table(base_id)
    server.airtable.create_records(base_id, TABLE, [{"Name": "Ann", "Email": "ann@acme.test", "Tags": ["press"]}])
    yield Desk(server=server, network=network, base_id=base_id)
    network.shut_down()


def holding(count: int = 3, **held: Mapping[str, int]) -> ContactValues:
    return ContactValues(contact_count=count, held=held)


def only(lines: tuple[str, ...]) -> str:
    assert len(lines) == 1, lines
    return lines[0]


def test_a_token_that_may_everything_leaves_nothing_to_say(desk: Desk) -> None:
    assert desk.check(holding(tags={"press": 3}, company={"Firm": 2, "": 1})) == CheckReport()


# Rights


@pytest.mark.parametrize("client", [None, "a client"], ids=["personal token", "OAuth"])
def test_a_token_that_may_not_write_is_a_problem_unless_nothing_is_written(desk: Desk, client: str | None) -> None:
    token = desk.token("data.records:write", oauth_client=client)
    assert "data.records:write" in only(desk.check(token=token).problems)
    assert desk.check(token=token, direction=Direction.FROM_EXTERNAL) == CheckReport()


@pytest.mark.parametrize("level", ["read", "comment"])
def test_a_user_who_may_not_edit_the_base_is_a_problem(desk: Desk, level: str) -> None:
    report = desk.check(token=desk.token(permission=level))
    assert f'level "{level}"' in only(report.problems)
    # Where the base's list cannot be read, the refused update tells it.
    blind = desk.check(token=desk.token("schema.bases:read", permission=level))
    assert "may not write records" in only(blind.problems)


def test_the_level_is_found_however_many_bases_the_token_reaches(desk: Desk) -> None:
    for name in "abc":
        desk.server.airtable.create_base(name)
    desk.server.airtable.set_options(bases_page_size=1)
    desk.server.airtable.add_fault(FaultRule(action="status", method="PATCH", times=-1))
    token = desk.token(permission="read")
    assert 'level "read"' in only(desk.check(token=token).problems)
    assert "could not be found out: whether the token may write" in only(desk.check().notes)


def test_a_missing_key_column_that_the_token_cannot_make_is_told(desk: Desk) -> None:
    desk.server.airtable.delete_field(desk.base_id, TABLE, "Contact ID")
    for token in (desk.token("schema.bases:write", oauth_client="a client"), desk.token(permission="edit")):
        notes = desk.check(token=token).notes
        assert any("make the key column by hand" in note for note in notes)
    assert "--create-field` makes it" in only(desk.check().notes)


# The feed


@pytest.mark.parametrize("client", [None, "a client"], ids=["personal token", "OAuth"])
def test_a_token_without_webhooks_is_told_what_that_costs(desk: Desk, client: str | None) -> None:
    report = desk.check(token=desk.token("webhook:manage", oauth_client=client))
    note = only(report.notes)
    assert not report.problems
    assert note.startswith("the token may not use webhooks (scope webhook:manage): changes are found without a feed")
    assert "full read once a day" in note


def test_a_token_without_the_schema_is_told_what_that_costs(desk: Desk) -> None:
    report = desk.check(token=desk.token("schema.bases:read"))
    assert not report.problems
    assert "columns are not checked" in report.notes[0]
    assert "without schema.bases:read no webhook is used" in report.notes[1]


def test_an_editor_makes_no_webhooks(desk: Desk) -> None:
    assert "made by creators" in only(desk.check(token=desk.token(permission="edit")).notes)


@pytest.mark.parametrize(
    ("foreign", "told"),
    [(7, ""), (8, "8 of 10 webhooks of the base are used: ours has room"), (10, "so there is no room for ours")],
)
def test_webhooks_of_others_leave_room_for_ours_or_not(desk: Desk, foreign: int, told: str) -> None:
    desk.hook(FOREIGN, foreign)
    notes = desk.check().notes
    assert told in only(notes) if told else notes == ()


def test_an_integration_has_two_webhooks_of_its_own(desk: Desk) -> None:
    desk.hook(FOREIGN, 7)
    token = desk.token(oauth_client="a client")
    assert desk.check(token=token) == CheckReport()
    desk.hook(FOREIGN, 2, owner="a client")
    assert "2 of 2 webhooks of this integration there are used" in only(desk.check(token=token).notes)


def test_a_webhook_of_ours_is_used_again_until_it_expires(desk: Desk) -> None:
    desk.hook(specification(desk.table_id))
    desk.hook(FOREIGN, 9)
    assert desk.check() == CheckReport()
    desk.server.stage.clock.advance(8 * DAY)
    notes = desk.check().notes
    assert notes[0].startswith("our webhook expired")
    assert "no room for ours" in notes[1]


# Columns and values


@pytest.mark.parametrize(
    ("name", "column", "kind", "options"),
    [
        ("email", "Email", "checkbox", {"icon": "check", "color": "greenBright"}),
        ("email", "Email", "number", {"precision": 0}),
        ("tags", "Tags", "checkbox", {"icon": "check", "color": "greenBright"}),
        ("tags", "Tags", "singleSelect", {"choices": []}),
        ("company", "Company", "formula", {"formula": "{Name}"}),
        ("email_opt_out", "Phone", "number", {"precision": 0}),
    ],
)
def test_a_column_that_cannot_hold_its_field_is_a_problem(
    desk: Desk, name: str, column: str, kind: str, options: Mapping[str, Any]
) -> None:
    desk.column(column, kind, options)
    problem = only(desk.check(mapping={"name": "Name", name: column}).problems)
    assert f'column "{column}" of table "{TABLE}"' in problem
    assert kind in problem


def test_a_missing_column_hides_nothing_else(desk: Desk) -> None:
    report = desk.check(token=desk.token("webhook:manage", "data.records:write"), mapping={"company": "Firma"})
    assert '"Firma"' in report.problems[0]
    assert "data.records:write" in desk.check(token=desk.token("data.records:write")).problems[0]
    assert "webhook:manage" in only(report.notes)


def test_a_phone_in_a_number_column_is_told_with_and_without_contacts(desk: Desk) -> None:
    desk.column("Phone", "number", {"precision": 0})
    held = holding(phone={"+1 555 0100": 2, "0100": 1, "5550100": 4, "": 9})
    assert "which cannot hold phone of 3 of 7 contacts" in only(desk.check(held).notes)
    assert "holds few values of phone" in only(desk.check().notes)


def test_values_that_a_column_cannot_hold_are_counted_without_naming_them(desk: Desk) -> None:
    date = {"name": "Since", "type": "date", "options": {"dateFormat": {"name": "iso"}}}
    desk.server.airtable.create_field(desk.base_id, TABLE, date)
    desk.column("Tags", "singleLineText")
    mapping = {"email": "Email", "tags": "Tags", "custom_fields.since": "Since"}
    held = {"tags": {"press": 5, "a, b": 1}, "custom_fields.since": {"31.12.1999": 1, "1999-12-31": 3, "": 1}}
    notes = desk.check(ContactValues(contact_count=5, held=held), mapping=mapping).notes
    assert 'column "Tags" has type singleLineText, which cannot hold 1 tags as they are' in notes[0]
    assert "which cannot hold custom_fields.since of 1 of 4 contacts" in notes[1]
    assert not any("31.12" in note or "a, b" in note for note in notes)


@pytest.mark.parametrize(("typecast", "then"), [(True, "a sync would make them"), (False, "are refused")])
def test_options_that_a_sync_would_make_are_counted(desk: Desk, typecast: bool, then: str) -> None:
    desk.column("Job Title", "singleSelect", {"choices": [{"name": "Editor"}]})
    tags = {f"tag {number}": 1 for number in range(61)}
    values = holding(tags={**tags, "press": 3}, job_title={"Editor": 1, "Chef": 1, "": 1})
    notes = desk.check(values, typecast=typecast).notes
    assert any(
        note.startswith('61 tags of this workspace are no options of column "Tags" yet: ') and note.endswith(then)
        for note in notes
    )
    assert any(note.startswith("1 values of job_title of this workspace are no options") for note in notes)
    assert len(notes) == 2
    assert desk.check(values, direction=Direction.FROM_EXTERNAL, typecast=typecast) == CheckReport()


def test_options_that_an_editor_cannot_make_are_refused(desk: Desk) -> None:
    notes = desk.check(holding(tags={"new": 1}), token=desk.token(permission="edit")).notes
    assert notes[-1].endswith("only a creator of the base makes options, so records with them are refused")


# Questions without an answer

PLACES = {
    "what may be": ("GET", "meta/whoami", "the token's scopes"),
    "where": ("GET", "meta/bases$", "what the token's user may do in the base"),
    "writing": ("PATCH", TABLE, "whether the token may write records"),
    "webhooks": ("GET", "webhooks", "the base's webhooks"),
}


@pytest.mark.parametrize(("method", "path", "what"), PLACES.values(), ids=PLACES)
def test_a_fault_at_one_question_hides_no_other_finding(desk: Desk, method: str, path: str, what: str) -> None:
    values = holding(tags={"a new one": 1})
    desk.server.airtable.add_fault(FaultRule(action="status", status=503, method=method, path_regex=path, times=-1))
    report = desk.check(values, mapping={"tags": "Tags", "company": "Nowhere"})
    assert '"Nowhere"' in only(report.problems)
    assert report.fault is None
    assert report.notes == (
        f"could not be found out: {what}: Airtable answered 503",
        '1 tags of this workspace are no options of column "Tags" yet: a sync would make them',
    )


def test_what_a_sync_cannot_do_without_is_a_problem_when_nobody_tells_it(desk: Desk) -> None:
    desk.server.airtable.add_fault(FaultRule(action="status", path_regex="/tables$", times=-1))
    report = desk.check(token=desk.token("data.records:write"))
    assert report.problems[0] == "could not be found out: the table's columns: Airtable answered 500"
    assert report.fault is not None
    assert "may not write records" in report.problems[1]


def test_a_month_without_calls_left_is_a_problem(desk: Desk) -> None:
    desk.server.airtable.add_fault(FaultRule(action="billing_limit", path_regex=TABLE, times=-1))
    assert "monthly API allowance is used up" in only(desk.check().problems)


def test_a_refused_token_or_a_place_that_is_not_there_ends_the_check_at_once(desk: Desk) -> None:
    desk.server.stage.log.clear()
    assert "refuses the token" in only(desk.check(token="patWrong").problems)
    report = desk.check(table_id="Nowhere")
    assert 'has no table "Nowhere"' in only(report.problems)
    assert report.notes == ()
    assert len(desk.server.airtable.requests()) == 2

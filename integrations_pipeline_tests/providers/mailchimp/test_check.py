"""A check of an audience tells what would surprise later: rights, merge fields, values, the plan. It writes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from integrations_pipeline.model import ContactValues, Direction, MappedField
from integrations_pipeline.providers.base import CheckReport, FixedToken, ProviderContext
from integrations_pipeline.providers.mailchimp.provider import MailchimpProvider
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, FaultRule, SandboxOptions, SandboxServer

NAME = MappedField(name="name", column="FNAME+LNAME")
COMPANY = MappedField(name="company", column="COMPANY")
TAGS = MappedField(name="tags", column="tags")
NO_VALUES = ContactValues()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One audience, and the checks of whoever holds a key."""

    server: SandboxServer
    network: Loopback
    list_id: str

    def check(
        self,
        values: ContactValues = NO_VALUES,
        *,
        key: str = DEFAULT_MAILCHIMP_KEY,
        mapping: Sequence[MappedField] = (NAME, COMPANY, TAGS),
        list_id: str = "",
    ) -> CheckReport:
        """Also: that nothing was written."""
        before = self.state()
        provider = MailchimpProvider(
            ProviderContext(
                credentials={},
                tokens=FixedToken(value=key),
                settings={"list_id": list_id or self.list_id},
                mapping=mapping,
                addresses={"INTEGRATIONS_MAILCHIMP_API_URL": self.server.mailchimp_url},
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
        mailchimp = self.server.mailchimp
        return mailchimp.members(self.list_id), [field.tag for field in mailchimp.find_list(self.list_id).merge_fields]


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def desk(server: SandboxServer) -> Iterator[Desk]:
    server.reset()
    network = Loopback()
    list_id = server.mailchimp.create_list("Friends", extra_fields=["COMPANY"]).id
    server.mailchimp.subscribe(list_id, "ann@people.test", tags=["press"])
    yield Desk(server=server, network=network, list_id=list_id)
    network.shut_down()


def holding(count: int = 3, **held: Mapping[str, int]) -> ContactValues:
    return ContactValues(contact_count=count, held=held)


def only(lines: tuple[str, ...]) -> str:
    assert len(lines) == 1, lines
    return lines[0]


def test_an_audience_that_fits_leaves_nothing_to_say(desk: Desk) -> None:
    assert desk.check(holding(name={"Ann Lee": 2, "": 1}, company={"Firm": 3}, tags={"press": 1})) == CheckReport()


def test_a_key_of_somebody_who_may_only_look_is_a_problem(desk: Desk) -> None:
    key = desk.server.mailchimp.create_api_key(is_read_only=True)
    report = desk.check(key=key)
    assert "may not write to the audience" in only(report.problems)
    assert report.notes == ()


def test_merge_fields_that_are_not_there_or_required_are_told(desk: Desk) -> None:
    desk.server.mailchimp.create_merge_field(
        desk.list_id, {"tag": "SIZE", "name": "Size", "type": "text", "required": True}
    )
    missing = MappedField(name="phone", column="NOPHONE")
    report = desk.check(mapping=[NAME, missing])
    assert "merge field NOPHONE of the audience does not exist" in only(report.problems)
    assert "the audience requires SIZE, which is not mapped: new members will be refused" in only(report.notes)
    sized = MappedField(name="custom_fields.size", column="SIZE")
    values = ContactValues(contact_count=5, held={"custom_fields.size": {"M": 3, "": 2}})
    note = only(desk.check(values, mapping=[NAME, sized]).notes)
    assert note.startswith("2 of 5 contacts are refused as new members: they have nothing for merge field SIZE")


def test_values_that_merge_fields_cannot_hold_are_counted_without_naming_them(desk: Desk) -> None:
    mailchimp, options = desk.server.mailchimp, {"choices": ["Gold", "Silver"]}
    mailchimp.create_merge_field(desk.list_id, {"tag": "TIER", "name": "Tier", "type": "dropdown", "options": options})
    held = {
        "name": {"Ann " + "x" * 256: 1},
        "company": {"Firm": 1, "é" * 200: 1},
        "custom_fields.tier": {"gold": 2, "Bronze": 1, "Lead": 1},
        "tags": {"t" * 101: 1, "press": 2},
    }
    tier = MappedField(name="custom_fields.tier", column="TIER")
    report = desk.check(ContactValues(contact_count=4, held=held), mapping=[NAME, COMPANY, tier, TAGS])
    assert report.problems == ()
    assert report.notes == (
        "1 of 4 contacts fail alone: merge field LNAME holds at most 255 characters",
        "1 of 4 contacts have more than 255 bytes for merge field COMPANY: Mailchimp may cut or refuse them",
        "2 of 4 contacts fail alone: merge field TIER does not have this choice",
        "1 tags are longer than 100 characters: contacts with them fail alone",
    )
    read_only = MappedField(name="custom_fields.tier", column="TIER", direction=Direction.FROM_EXTERNAL)
    assert desk.check(ContactValues(contact_count=4, held=held), mapping=[read_only]).notes[:-1] == ()


@pytest.mark.parametrize(
    ("plan", "count", "is_told"), [("forever_free", 199, False), ("forever_free", 200, True), ("monthly", 900, False)]
)
def test_a_free_plan_is_told_when_it_may_not_have_room(desk: Desk, plan: str, count: int, is_told: bool) -> None:
    desk.server.mailchimp.set_plan(plan=plan)
    notes = desk.check(holding(count)).notes
    assert [f"this workspace {count} contacts" in note and "it has 1 subscribers" in note for note in notes] == (
        [True] if is_told else []
    )


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [("PATCH", "/members/", "whether the key may write"), ("GET", "/3.0/?$", "the account's plan")],
)
def test_a_fault_at_one_question_hides_no_other_finding(desk: Desk, method: str, path: str, what: str) -> None:
    desk.server.mailchimp.add_fault(FaultRule(action="status", status=503, method=method, path_regex=path, times=-1))
    report = desk.check(holding(tags={"t" * 101: 1}), mapping=[MappedField(name="phone", column="NOPHONE"), TAGS])
    assert "NOPHONE" in only(report.problems)
    assert report.notes == (
        "1 tags are longer than 100 characters: contacts with them fail alone",
        f"could not be found out: {what}: Mailchimp answered 503",
    )


def test_what_a_sync_cannot_do_without_is_a_problem_when_nobody_tells_it(desk: Desk) -> None:
    rule = FaultRule(action="status", status=503, method="GET", path_regex="/merge-fields", times=-1)
    desk.server.mailchimp.add_fault(rule)
    key = desk.server.mailchimp.create_api_key(is_read_only=True)
    report = desk.check(key=key)
    assert report.problems[0] == "could not be found out: the audience's merge fields: Mailchimp answered 503"
    assert "may not write" in report.problems[1]
    assert report.fault is not None


def test_a_refused_key_or_an_audience_that_is_not_there_ends_the_check_at_once(desk: Desk) -> None:
    desk.server.stage.log.clear()
    assert "refuses the key" in only(desk.check(key="wrong-us1").problems)
    assert "Mailchimp has no audience" in only(desk.check(list_id="0123456789").problems)
    assert len(desk.server.airtable.requests()) == 2

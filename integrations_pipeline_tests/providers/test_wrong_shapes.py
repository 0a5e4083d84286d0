"""Each endpoint answers some hundred wrong shapes: whatever comes is one line, and nothing of a wrong kind comes in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from integrations_pipeline.model import ChangeKind, ContactValues, MappedField, Outcome
from integrations_pipeline.providers.airtable.provider import AirtableProvider
from integrations_pipeline.providers.base import CheckReport, FixedToken, Page, ProviderContext
from integrations_pipeline.providers.mailchimp.provider import MailchimpProvider
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.providers.airtable.test_conformance import MAPPING as AIRTABLE_MAPPING
from integrations_pipeline_tests.providers.airtable.test_conformance import AirtableBench
from integrations_pipeline_tests.providers.mailchimp.test_conformance import MAPPING as MAILCHIMP_MAPPING
from integrations_pipeline_tests.providers.mailchimp.test_conformance import MailchimpBench
from integrations_pipeline_tests.providers.wrong_shapes import NUMBERS, Distorting, changes, fuzz, network, person
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, DEFAULT_TOKEN, SandboxOptions, SandboxServer

__all__ = ["network"]

FRIENDS = (*MAILCHIMP_MAPPING, MappedField(name="tags", column="tags"))


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@dataclass(slots=True)
class Place:
    """One table or audience, with three people in it."""

    server: SandboxServer
    network: Distorting
    bench: Any
    ids: Sequence[str]

    def airtable(self, **settings: Any) -> AirtableProvider:
        given = {"base_id": self.bench.base_id, "table_id": "Contacts", **settings}
        return AirtableProvider(self._context(given, DEFAULT_TOKEN, AIRTABLE_MAPPING))

    def mailchimp(self, mapping: Sequence[MappedField] = FRIENDS) -> MailchimpProvider:
        return MailchimpProvider(self._context({"list_id": self.bench.list_id}, DEFAULT_MAILCHIMP_KEY, mapping))

    def friend(self, status: str) -> str:
        """Somebody new in the audience; the contact id."""
        row = person(next(NUMBERS) + 20_000)
        merged = {"FNAME": row["name"], "COMPANY": row["company"]}
        made = self.server.mailchimp.subscribe(self.bench.list_id, row["email"], merge_fields=merged, status=status)
        return str(made["contact_id"])

    def _context(self, settings: dict[str, Any], token: str, mapping: Sequence[Any]) -> ProviderContext:
        return ProviderContext(
            credentials={},
            tokens=FixedToken(value=token),
            settings=settings,
            mapping=mapping,
            addresses={
                "INTEGRATIONS_AIRTABLE_API_URL": self.server.airtable_url,
                "INTEGRATIONS_MAILCHIMP_API_URL": self.server.mailchimp_url,
            },
            pacer=FreePacer(),
            transport=self.network,
            sleep=lambda _: None,
        )


Deed = Callable[[Place], Any]


def _read(place: Place) -> list[Page]:
    return list(place.airtable().read_all())


def _payloads(place: Place) -> list[Page]:
    (*_, last) = _read(place)
    place.bench.people_edit(place.ids[0], {"company": f"Edited {next(NUMBERS)}"})
    place.bench.people_make([person(next(NUMBERS) + 5_000)])
    return list(place.airtable().read_changes(last.cursor))


def _written(kind: ChangeKind, **settings: Any) -> Deed:
    def deed(place: Place) -> list[Outcome]:
        provider = place.airtable(**settings)
        provider.prepare_write()
        none: list[str | None] = [None, None]
        ids: list[str | None] = none if kind is ChangeKind.CREATE else list(place.ids[:2])
        if kind is ChangeKind.DELETE:
            ids = list(place.bench.people_make([person(next(NUMBERS) + 9_000)]))
        return provider.write(changes(kind, ids))

    return deed


#: Endpoint → what asks for it, and how its request begins.
def _airtable_checked(place: Place) -> CheckReport:
    return place.airtable().check(ContactValues(contact_count=1, held={"company": {"Firm": 1}}))


AIRTABLE: dict[str, tuple[str, Deed]] = {
    "whoami": (r"GET .*/v0/meta/whoami", _airtable_checked),
    "bases": (r"GET .*/v0/meta/bases(\?|$)", _airtable_checked),
    "schema": (r"GET .*/v0/meta/bases/\w+/tables", lambda place: place.airtable().look()),
    "list": (r"GET .*/v0/\w+/Contacts\?", _read),
    "listRecords": (
        r"POST .*/listRecords",
        lambda place: place.airtable().read_records([*place.ids, *(f"rec{n:014d}" for n in range(700))]),
    ),
    "webhooks": (r"GET .*/webhooks$", _read),
    "new webhook": (r"POST .*/webhooks$", _read),
    "payloads": (r"GET .*/payloads", _payloads),
    "create": (r"POST .*/v0/\w+/Contacts$", _written(ChangeKind.CREATE, external_id_field="None such")),
    "upsert": (r"PATCH .*/v0/\w+/Contacts$", _written(ChangeKind.CREATE)),
    "update": (r"PATCH .*/v0/\w+/Contacts$", _written(ChangeKind.UPDATE)),
    "delete": (r"DELETE .*/v0/\w+/Contacts", _written(ChangeKind.DELETE)),
    "new column": (
        r"POST .*/v0/meta/.*/fields",
        lambda place: place.airtable(external_id_field=f"Key {next(NUMBERS)}").create_key_column(),
    ),
}


def _pages(place: Place) -> list[Page]:
    return list(place.mailchimp().read_all())


def _changes_read(place: Place) -> list[Page]:
    return list(place.mailchimp().read_changes({"since": "2020-01-01T00:00:00+00:00"}))


def _mailed(kind: ChangeKind, many: int = 1, status: str = "subscribed", **fields: str) -> Deed:
    def deed(place: Place) -> list[Outcome]:
        provider = place.mailchimp()
        provider.prepare_write()
        if kind is ChangeKind.CREATE:
            return provider.write(changes(kind, [None] * many))
        # Somebody new each time: who was archived or moved cannot be again.
        ids = [place.friend(status) for _ in range(many)]
        list(provider.read_all())
        if many > 1:
            provider.recheck(ids)
        told = {name: value.replace("#", str(next(NUMBERS))) for name, value in fields.items()}
        return provider.write(changes(kind, ids, **told))

    return deed


def _with_many_tags(place: Place) -> list[Page]:
    place.server.mailchimp.tag(place.bench.list_id, place.ids[0], *(f"tag {n}" for n in range(60)))
    return _pages(place)


def _new_merge_field(place: Place) -> None:
    number = next(NUMBERS)
    place.mailchimp([*FRIENDS, MappedField(name="custom_fields.x", column=f"N{number}")]).create_key_column()


MAILCHIMP: dict[str, tuple[str, Deed]] = {
    "account": (r"GET .*/3.0/\?", lambda place: place.mailchimp().check(ContactValues())),
    "audience": (r"GET .*/3.0/lists/\w+\?", lambda place: place.mailchimp().check(ContactValues())),
    "merge fields": (r"GET .*/merge-fields", lambda place: place.mailchimp().look()),
    "new merge field": (r"POST .*/merge-fields", _new_merge_field),
    "members": (r"GET .*/members\?", _pages),
    "archived": (r"GET .*/members\?.*status=archived", _changes_read),
    "member": (r"GET .*/members/\w+\?", lambda place: place.mailchimp().read_records(place.ids[:1])),
    "tags": (r"GET .*/members/\w+/tags", _with_many_tags),
    "batch of new": (r"POST .*/3.0/lists/\w+$", _mailed(ChangeKind.CREATE, 2)),
    "batch of old": (r"POST .*/3.0/lists/\w+\?", _mailed(ChangeKind.UPDATE, 2, company="Firm")),
    "patch": (r"PATCH .*/members/\w+", _mailed(ChangeKind.UPDATE, company="Firm")),
    "put": (r"PUT .*/members/\w+", _mailed(ChangeKind.UPDATE, status="transactional", email="moved#@example.org")),
    "set tags": (r"POST .*/members/\w+/tags", _mailed(ChangeKind.UPDATE, tags="friend")),
    "archive": (r"DELETE .*/members/\w+", _mailed(ChangeKind.DELETE)),
}


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", AIRTABLE)
def test_whatever_an_endpoint_of_airtable_answers_is_one_line(
    server: SandboxServer, network: Distorting, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.reset()
    bench = AirtableBench(server, network)
    ids = bench.people_make([person(number) for number in range(3)])
    pattern, deed = AIRTABLE[endpoint]
    place = Place(server=server, network=network, bench=bench, ids=ids)
    fuzz(network, pattern, lambda: deed(place))
    assert "@example" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", MAILCHIMP)
def test_whatever_an_endpoint_of_mailchimp_answers_is_one_line(
    server: SandboxServer, network: Distorting, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.reset()
    bench = MailchimpBench(server, network)
    ids = bench.people_make([person(number) for number in range(3)])
    pattern, deed = MAILCHIMP[endpoint]
    place = Place(server=server, network=network, bench=bench, ids=ids)
    fuzz(network, pattern, lambda: deed(place))
    assert "@example" not in caplog.text

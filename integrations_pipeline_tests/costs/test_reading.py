"""What a full read costs: Python calls for a record that nobody changed, statements for a request."""

import gc
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from sqlalchemy import text

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.airtable import PROVIDER as AIRTABLE
from integrations_pipeline.providers.base import Provider, ProviderSpec
from integrations_pipeline.providers.bounds import parse_json
from integrations_pipeline.providers.mailchimp import PROVIDER as MAILCHIMP
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.pace import DatabasePacer
from integrations_pipeline.testing import provider_context
from integrations_pipeline_tests.costs.counting import Statements, python_calls

Answers = Callable[[httpx.Request], httpx.Response]
SETTINGS = {"airtable": {"base_id": "app1", "table_id": "tbl1"}, "mailchimp": {"list_id": "l1"}}


def airtable_of(count: int) -> Answers:
    """A table of so many records, without webhooks."""
    columns = ("Contact ID", *AIRTABLE.default_mapping.values())
    fields = [{"id": f"fld{n}", "name": name, "type": "singleLineText"} for n, name in enumerate(columns)]
    schema = {"tables": [{"id": "tbl1", "name": "Contacts", "primaryFieldId": "fld0", "fields": fields}]}

    def record(n: int) -> dict[str, object]:
        cells = {"Name": f"Person {n}", "Email": f"p{n}@example.org", "Phone": f"+49 30 {n}", "Company": "Acme"}
        return {"id": f"rec{n:014d}", "createdTime": "2026-01-01T00:00:00.000Z", "fields": cells}

    def answer(request: httpx.Request) -> httpx.Response:
        if "/meta/" in request.url.path:
            return httpx.Response(200, json=schema)
        if "webhooks" in request.url.path:
            return httpx.Response(403, json={"error": {"type": "NOT_AUTHORIZED"}})
        start = int(request.url.params.get("offset", "0"))
        end = min(start + 100, count)
        more = {"offset": str(end)} if end < count else {}
        return httpx.Response(200, json={"records": [record(n) for n in range(start, end)], **more})

    return answer


def mailchimp_of(count: int) -> Answers:
    """An audience of so many members, all of them on one page."""
    merge_fields = [
        {"merge_id": n, "tag": tag, "type": "text"} for n, tag in enumerate(("FNAME", "LNAME", "PHONE", "COMPANY"), 1)
    ]

    def member(n: int) -> dict[str, object]:
        return {
            "id": f"{n:032x}",
            "contact_id": f"{n:031x}e123",
            "email_address": f"p{n}@example.org",
            "status": "transactional",
            "merge_fields": {"FNAME": "Person", "LNAME": str(n), "PHONE": f"+49 30 {n}", "COMPANY": "Acme"},
            "tags": [],
            "tags_count": 0,
            "last_changed": "2026-01-01T00:00:00+00:00",
        }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/merge-fields"):
            return httpx.Response(200, json={"merge_fields": merge_fields, "total_items": 4})
        return httpx.Response(200, json={"members": [member(n) for n in range(count)], "total_items": count})

    return answer


def built(spec: ProviderSpec, answers: Answers, **more: object) -> Provider:
    mapping = {**spec.default_mapping, **spec.fixed_mapping}
    fields = tuple(MappedField(name=name, column=column) for name, column in mapping.items())
    context = provider_context(
        token="key-us1",
        mapping=fields,
        settings=SETTINGS[spec.name],
        addresses={name: "http://127.0.0.1:9" for name in spec.addresses},
        transport=httpx.MockTransport(answers),
        **more,
    )
    assert spec.contacts
    return spec.contacts(context)


#: Python calls for a record more, its share of its page's request among them.
MOST_CALLS = {"airtable": 45, "mailchimp": 62}


@pytest.mark.parametrize(("spec", "answers"), [(AIRTABLE, airtable_of), (MAILCHIMP, mailchimp_of)], ids=lambda each: "")
def test_an_unchanged_record_costs_few_calls(spec: ProviderSpec, answers: Callable[[int], Answers]) -> None:
    calls = []
    for count in (100, 500, 1_000):
        # What the server does is not ours: its answers are made before.
        kept: dict[str, httpx.Response] = {}
        serve = answers(count)

        def replay(
            request: httpx.Request, kept: dict[str, httpx.Response] = kept, serve: Answers = serve
        ) -> httpx.Response:
            told = kept.setdefault(str(request.url), serve(request))
            return httpx.Response(told.status_code, content=told.content)

        list(built(spec, replay).read_all())
        provider = built(spec, replay)
        calls.append(python_calls(lambda provider=provider: list(provider.read_all())))  # type: ignore[misc]
    more = [(later - earlier) / records for (earlier, later), records in zip(pairwise(calls), (400, 500), strict=True)]
    assert max(more) <= MOST_CALLS[spec.name], more


def pages_of(count: int) -> Answers:
    """So many pages of members, each a second after the one before."""
    one, page = mailchimp_of(100), 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal page
        body = one(request).json()
        if "members" in body:
            page += 1
            for number, member in enumerate(body["members"]):
                at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=page, seconds=30 * number)
                member |= {"contact_id": f"{page}-{number}", "last_changed": at.isoformat()}
            body["total_items"] = 100 * (count - page + 1)
        return httpx.Response(200, json=body)

    return answer


def test_pages_leave_no_circles_for_the_collector() -> None:
    """It comes after so many objects, whatever their size: each would keep a page until then."""
    left = []
    for count in (2, 12):
        provider = built(MAILCHIMP, pages_of(count))
        gc.collect()
        gc.disable()
        try:
            read = sum(len(page.records) for page in provider.read_all())
            left.append(gc.collect())
        finally:
            gc.enable()
        assert read == 100 * count
    assert left[0] == left[1]


def test_a_request_is_paced_by_one_statement_whatever_the_number_of_its_rules(database: Database) -> None:
    provider = built(AIRTABLE, airtable_of(300), pacer=DatabasePacer(database), rate_scale=1e6)
    with Statements() as statements:
        list(provider.read_all())
    paced = [statement for statement, _ in statements.seen if "provider_rate_limits" in statement]
    assert len(paced) == provider.call_count == 5
    with database.admin() as connection:
        keys = connection.execute(text("select key from provider_rate_limits")).scalars().all()
    assert sorted(key.split(":")[-2] for key in keys) == ["base", "token"]


def test_hexadecimal_digits_do_not_make_a_page_read_twice() -> None:
    """`…e123` in an id looks like a number that no float holds, and those are parsed by slower code."""
    page = json.dumps({"members": [{"id": f"{n:028x}e123", "name": "1e999"} for n in range(1_000)]}).encode()
    assert python_calls(lambda: parse_json(page)) <= 10

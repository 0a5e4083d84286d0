"""Clients that nobody here wrote, against the imitations: they speak the published formats."""

import base64
import json
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import googleapiclient
import mailchimp_marketing
import pyairtable
import pytest
import requests
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from mailchimp_marketing.api_client import ApiClientError

from integrations_pipeline_tests.outsiders.imitation import World


@pytest.fixture
def world() -> Iterator[World]:
    with World.open() as opened:
        yield opened


@pytest.fixture
def table(world: World) -> pyairtable.Table:
    api = pyairtable.Api(world.airtable.token, endpoint_url=f"{world.server.url}/airtable", retry_strategy=False)
    return api.table(world.airtable.base_id, world.airtable.table.id)


def test_pyairtable_makes_reads_changes_and_deletes_records(world: World, table: pyairtable.Table) -> None:
    made = table.batch_create([{"Name": f"P {n}", "Email": f"p{n}@people.test"} for n in range(25)])
    assert len(table.all(page_size=10)) == 25
    changed = table.update(made[0]["id"], {"Company": "Nordlys", "Tags": ["press"]}, typecast=True)
    assert changed["fields"]["Tags"] == ["press"]
    found = table.all(formula='LOWER(TRIM({Email})) = "p3@people.test"', fields=["Email"])
    assert [each["fields"] for each in found] == [{"Email": "p3@people.test"}]
    asked = table.all(formula=f"OR(RECORD_ID()='{made[1]['id']}', RECORD_ID()='{made[2]['id']}')")
    assert [each["id"] for each in asked] == [made[1]["id"], made[2]["id"]]
    recent = "IS_AFTER(LAST_MODIFIED_TIME(), DATETIME_PARSE('2020-01-01T00:00:00Z'))"
    assert len(table.all(formula=recent)) == 25
    table.batch_delete([each["id"] for each in made])
    assert world.airtable.records == []
    assert world.unknown() == []


def test_pyairtable_upserts_by_the_key_column(world: World, table: pyairtable.Table) -> None:
    rows: list[Any] = [{"fields": {"Contact ID": "1", "Name": "Ann"}}, {"fields": {"Contact ID": "2", "Name": "Bo"}}]
    first = table.batch_upsert(rows, key_fields=["Contact ID"])
    second = table.batch_upsert([{"fields": {"Contact ID": "2", "Name": "Bob"}}], key_fields=["Contact ID"])
    assert (len(first["createdRecords"]), len(second["updatedRecords"])) == (2, 1)
    assert world.airtable.table.values("Name") == ["Ann", "Bob"]


def test_typecast_leaves_a_date_that_cannot_be_read_empty(world: World, table: pyairtable.Table) -> None:
    from integrations_pipeline_tests.outsiders.imitation.airtable import Column  # noqa: PLC0415 - only here

    world.airtable.table.columns.append(Column(name="Born", type="date"))
    made = table.create({"Name": "Ann", "Born": "12/31/1999"}, typecast=True)
    assert made["fields"]["Born"] == "1999-12-31"
    assert "Born" not in table.update(made["id"], {"Born": "31.12.1999"}, typecast=True)["fields"]
    with pytest.raises(requests.HTTPError, match="INVALID_VALUE_FOR_COLUMN"):
        table.update(made["id"], {"Born": "31.12.1999"})


def test_a_batch_with_one_bad_record_writes_none(world: World, table: pyairtable.Table) -> None:
    with pytest.raises(requests.HTTPError, match="UNKNOWN_FIELD_NAME"):
        table.batch_create([{"Name": "Ann"}, {"Nome": "Bo"}])
    assert world.airtable.records == []


def test_an_unknown_formula_is_refused_and_noted(world: World, table: pyairtable.Table) -> None:
    table.create({"Name": "Ann"})
    with pytest.raises(requests.HTTPError, match="INVALID_FILTER_BY_FORMULA"):
        table.all(formula="REGEX_MATCH({Name}, 'A')")
    assert "REGEX_MATCH" in world.airtable.unknown[0]


def test_webhooks_are_forbidden_unless_the_token_may_use_them(world: World, table: pyairtable.Table) -> None:
    with pytest.raises(requests.HTTPError, match="403"):
        table.base.webhooks()
    world.airtable.may_use_webhooks = True
    specification: Any = {"options": {"filters": {"dataTypes": ["tableData"]}}}
    hook = table.base.add_webhook("", {"options": specification["options"]})
    table.create({"Name": "Ann"})
    payloads = list(table.base.webhook(hook.id).payloads())
    assert payloads[0].changed_tables_by_id[table.id].created_records_by_id != {}


@pytest.fixture
def mailchimp(world: World) -> Any:
    client = mailchimp_marketing.Client()
    client.set_config({"api_key": world.mailchimp.key})
    client.api_client.host = f"{world.server.url}/mailchimp/3.0"
    return client.lists


def test_the_mailchimp_client_drives_members_tags_and_fields(world: World, mailchimp: Any) -> None:
    audience = world.mailchimp.list_id
    batch = {
        "members": [
            {"email_address": f"p{n}@people.test", "status_if_new": "transactional", "tags": ["press"]}
            for n in range(12)
        ],
        "update_existing": True,
    }
    told = mailchimp.batch_list_members(audience, batch)
    assert (told["total_created"], told["error_count"]) == (12, 0)
    listed = mailchimp.get_list_members_info(
        audience, count=5, offset=10, fields=["members.email_address", "total_items"]
    )
    assert (len(listed["members"]), listed["total_items"], set(listed["members"][0])) == (2, 12, {"email_address"})
    key = world.mailchimp.members[0].hash
    mailchimp.update_list_member(audience, key, {"merge_fields": {"FNAME": "Per"}})
    mailchimp.update_list_member_tags(audience, key, {"tags": [{"name": "radio", "status": "active"}]})
    member = mailchimp.get_list_member(audience, world.mailchimp.members[0].contact_id)
    assert (member["merge_fields"]["FNAME"], [tag["name"] for tag in member["tags"]]) == ("Per", ["press", "radio"])
    mailchimp.delete_list_member(audience, key)
    assert mailchimp.get_list_member(audience, key)["status"] == "archived"
    assert mailchimp.get_list_members_info(audience)["total_items"] == 11
    assert mailchimp.get_list_members_info(audience, status="archived")["total_items"] == 1
    with pytest.raises(ApiClientError) as refused:
        mailchimp.delete_list_member(audience, key)
    assert refused.value.status_code == 405


@pytest.mark.parametrize(
    ("how", "place"), [("updated", "updated_members"), ("new", "new_members"), ("exists", "errors")]
)
def test_an_archived_address_is_answered_as_the_story_wants(world: World, mailchimp: Any, how: Any, place: str) -> None:
    world.mailchimp.add("ann@people.test", "archived")
    world.mailchimp.archived_in_batch = how
    row = {"email_address": "ann@people.test", "status_if_new": "subscribed"}
    told = mailchimp.batch_list_members(world.mailchimp.list_id, {"members": [row], "update_existing": True})
    assert len(told[place]) == 1
    assert world.mailchimp.members[0].status == "archived"


def test_a_person_who_left_is_not_subscribed_again(world: World, mailchimp: Any) -> None:
    member = world.mailchimp.add("ann@people.test", "unsubscribed")
    member.is_in_compliance = True
    with pytest.raises(ApiClientError) as refused:
        mailchimp.set_list_member(
            world.mailchimp.list_id, member.hash, {"email_address": member.email, "status": "subscribed"}
        )
    assert json.loads(refused.value.text)["title"] == "Member In Compliance State"


@pytest.fixture
def gmail(world: World) -> Iterator[Any]:
    path = Path(googleapiclient.__file__).parent / "discovery_cache/documents/gmail.v1.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["rootUrl"] = document["baseUrl"] = f"{world.server.url}/gmail/"
    document.pop("mtlsRootUrl", None)
    credentials = Credentials(token=world.gmail.access_token)  # type: ignore[no-untyped-call] # google-auth is untyped
    with build_from_document(document, credentials=credentials) as service:
        yield service


def _raw(to: str, subject: str) -> str:
    message = EmailMessage()
    message["To"], message["Subject"], message["Message-ID"] = to, subject, "<mine@imitation.test>"
    message.set_content("Hello")
    return base64.urlsafe_b64encode(message.as_bytes()).decode()


def test_the_google_client_drafts_sends_and_finds_mail(world: World, gmail: Any) -> None:
    users = gmail.users()
    start = users.getProfile(userId="me").execute()["historyId"]
    draft = users.drafts().create(userId="me", body={"message": {"raw": _raw("ann@people.test", "Story")}}).execute()
    sent = users.drafts().send(userId="me", body={"id": draft["id"]}).execute()
    with pytest.raises(HttpError) as gone:
        users.drafts().get(userId="me", id=draft["id"]).execute()
    assert gone.value.resp.status == 404
    told = users.messages().get(userId="me", id=sent["id"], format="metadata", metadataHeaders=["Message-ID"]).execute()
    assert told["payload"]["headers"][0]["value"] != "<mine@imitation.test>"
    found = users.messages().list(userId="me", q="in:sent to:ann@people.test newer_than:1d").execute()
    assert [each["id"] for each in found["messages"]] == [sent["id"]]
    assert "messages" not in users.messages().list(userId="me", q="to:bo@people.test").execute()
    history = users.history().list(userId="me", startHistoryId=start, historyTypes=["messageAdded"]).execute()
    assert history["history"][0]["messagesAdded"][0]["message"]["id"] == sent["id"]
    assert [mail.id for mail in world.gmail.sent_to("ann@people.test")] == [sent["id"]]
    assert world.unknown() == []


def test_the_google_client_reads_in_a_batch(world: World, gmail: Any) -> None:
    mails = [
        world.gmail.receive(b"From: ann@people.test\r\nSubject: Hi\r\n\r\nHello\r\n", thread="t1") for _ in range(3)
    ]
    seen: dict[str, Any] = {}
    batch = gmail.new_batch_http_request(callback=lambda key, answer, error: seen.update({key: error or answer["id"]}))
    for mail in mails:
        batch.add(gmail.users().messages().get(userId="me", id=mail.id), request_id=mail.id)
    batch.execute()
    assert seen == {mail.id: mail.id for mail in mails}

"""Google's own client, built from the description that comes with it, works against the sandboxed People API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from integrations_sandbox import People, SandboxOptions, SandboxServer

OWNER = "owner@gmail.example"
FIELDS = "names,emailAddresses,phoneNumbers,organizations,memberships,clientData,metadata"
READONLY = "https://www.googleapis.com/auth/contacts.readonly"


@cache
def discovery() -> str:
    """Google's description of the API, as it comes with Google's client."""
    return (files("googleapiclient") / "discovery_cache/documents/people.v1.json").read_text()


@contextmanager
def google_service(root: str, token: str) -> Iterator[Any]:
    document = json.loads(discovery())
    document["rootUrl"] = document["baseUrl"] = root + "/"
    del document["mtlsRootUrl"]
    service = build_from_document(document, credentials=Credentials(token))  # type: ignore[no-untyped-call]
    try:
        yield service
    finally:
        service.close()


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def people(server: SandboxServer) -> People:
    server.reset()
    return server.people


@pytest.fixture
def google(server: SandboxServer, people: People) -> Iterator[Any]:
    with google_service(server.people_url, people.token(OWNER)) as service:
        yield service


def listed(google: Any, **more: Any) -> dict[str, Any]:
    """Everything page by page, with the last page's token."""
    connections = google.people().connections()
    asked = {"resourceName": "people/me", "personFields": FIELDS, "requestSyncToken": True, **more}
    request = connections.list(**asked)
    found: dict[str, Any] = {"connections": []}
    while request is not None:
        page = request.execute()
        found = {**page, "connections": [*found["connections"], *page.get("connections", [])]}
        request = connections.list_next(request, page)
    return found


def make(google: Any, *people: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"contacts": [{"contactPerson": each} for each in people], "readMask": FIELDS}
    answer = google.people().batchCreateContacts(body=body).execute()
    return [each["person"] for each in answer["createdPeople"]]


@pytest.mark.parametrize("root", ["", "/people"])
def test_it_works_at_the_servers_root_and_below_it(server: SandboxServer, people: People, root: str) -> None:
    with google_service(server.url + root, people.token(OWNER)) as service:
        made = service.people().createContact(body={"names": [{"givenName": "Ann"}]}).execute()
        got = service.people().get(resourceName=made["resourceName"], personFields="names").execute()
        assert got["names"][0]["displayName"] == "Ann"
        service.people().deleteContact(resourceName=made["resourceName"]).execute()
        with pytest.raises(HttpError) as refusal:
            service.people().get(resourceName=made["resourceName"], personFields="names").execute()
    assert refusal.value.status_code == 404


def test_pages_and_a_sync_token_tell_everybody_and_then_what_changed(google: Any, people: People) -> None:
    names = [people.create_person(OWNER, {"names": [{"unstructuredName": f"Person {i}"}]}) for i in range(5)]
    everybody = listed(google, pageSize=2)
    assert [each["resourceName"] for each in everybody["connections"]] == names
    people.edit_person(OWNER, names[0], {"phoneNumbers": [{"value": "+1"}]})
    people.delete_person(OWNER, names[1])
    moved = people.join_profile(OWNER, names[2])
    changed = listed(google, pageSize=2, syncToken=everybody["nextSyncToken"])["connections"]
    by_name = {each["resourceName"]: each for each in changed}
    assert by_name.keys() == {names[0], names[1], moved}
    assert by_name[names[0]]["phoneNumbers"][0]["value"] == "+1"
    assert by_name[names[1]]["metadata"]["deleted"]
    assert by_name[moved]["metadata"]["previousResourceNames"] == [names[2]]


def test_a_sync_token_is_for_the_same_question_and_for_seven_days(google: Any, server: SandboxServer) -> None:
    token = listed(google)["nextSyncToken"]
    with pytest.raises(HttpError) as other:
        listed(google, syncToken=token, personFields="names")
    assert other.value.status_code == 400
    server.stage.clock.advance(8 * 86_400)
    with pytest.raises(HttpError) as expired:
        listed(google, syncToken=token)
    assert expired.value.status_code == 400
    assert expired.value.error_details[0]["reason"] == "EXPIRED_SYNC_TOKEN"


def test_an_update_needs_the_present_etag_and_replaces_fields_whole(google: Any, people: People) -> None:
    (made,) = make(
        google, {"names": [{"givenName": "Ann"}], "emailAddresses": [{"value": "a@x.org"}, {"value": "b@x.org"}]}
    )
    name = made["resourceName"]
    made["emailAddresses"] = [{"value": "c@x.org"}]
    body = {"contacts": {name: made}, "updateMask": "emailAddresses", "readMask": FIELDS}
    answer = google.people().batchUpdateContacts(body=body).execute()["updateResult"][name]["person"]
    assert [each["value"] for each in answer["emailAddresses"]] == ["c@x.org"]
    assert answer["names"][0]["givenName"] == "Ann"
    with pytest.raises(HttpError) as stale:
        google.people().batchUpdateContacts(body=body).execute()
    assert (stale.value.status_code, json.loads(stale.value.content)["error"]["status"]) == (400, "FAILED_PRECONDITION")
    with pytest.raises(HttpError):
        google.people().updateContact(resourceName=name, updatePersonFields="names", body={"names": []}).execute()


def test_a_batch_with_a_bad_contact_makes_nobody(google: Any, people: People) -> None:
    good, bad = {"names": [{"givenName": "Ann"}]}, {"names": [{"givenName": "A"}, {"givenName": "B"}]}
    with pytest.raises(HttpError) as refusal:
        make(google, good, bad)
    assert refusal.value.status_code == 400
    assert people.people(OWNER) == []
    with pytest.raises(HttpError):
        make(google, *[good] * 201)


def test_batches_get_and_delete_by_name(google: Any) -> None:
    one, two = (each["resourceName"] for each in make(google, *[{"names": [{"givenName": "Ann"}]}] * 2))
    asked = {"resourceNames": [one, "people/c404"], "personFields": "names"}
    told = google.people().getBatchGet(**asked).execute()["responses"]
    assert [("person" in each, each["httpStatusCode"]) for each in told] == [(True, 200), (False, 404)]
    with pytest.raises(HttpError) as refusal:
        google.people().batchDeleteContacts(body={"resourceNames": [one, "people/c404"]}).execute()
    assert refusal.value.status_code == 404
    google.people().batchDeleteContacts(body={"resourceNames": [one, two]}).execute()
    assert listed(google)["connections"] == []


def test_labels_are_made_given_renamed_and_deleted(google: Any) -> None:
    (ann,) = make(google, {"names": [{"givenName": "Ann"}]})
    groups = google.contactGroups()
    made = groups.create(body={"contactGroup": {"name": "press"}}).execute()["resourceName"]
    with pytest.raises(HttpError) as taken:
        groups.create(body={"contactGroup": {"name": "press"}}).execute()
    assert taken.value.status_code == 409
    groups.members().modify(resourceName=made, body={"resourceNamesToAdd": [ann["resourceName"]]}).execute()
    assert groups.get(resourceName=made, maxMembers=10).execute()["memberResourceNames"] == [ann["resourceName"]]
    (told,) = listed(google)["connections"]
    ids = {each["contactGroupMembership"]["contactGroupResourceName"] for each in told["memberships"]}
    assert ids == {"contactGroups/myContacts", made}
    groups.update(resourceName=made, body={"contactGroup": {"name": "media"}}).execute()
    own = [each["name"] for each in groups.list(pageSize=100).execute()["contactGroups"] if "metadata" in each]
    assert own == ["media"]
    groups.delete(resourceName=made).execute()
    assert len(listed(google)["connections"][0]["memberships"]) == 1


def test_a_list_lags_and_a_single_contact_does_not(google: Any, people: People, server: SandboxServer) -> None:
    people.set_options(sync_lag_seconds=120)
    (made,) = make(google, {"names": [{"givenName": "Ann"}]})
    assert listed(google)["connections"] == []
    asked = {"resourceName": made["resourceName"], "personFields": "names"}
    assert google.people().get(**asked).execute()["names"][0]["givenName"] == "Ann"
    server.stage.clock.advance(121)
    assert len(listed(google)["connections"]) == 1


def test_a_grant_to_read_does_not_write(server: SandboxServer, people: People) -> None:
    with google_service(server.people_url, people.token(OWNER, [READONLY])) as service:
        assert listed(service)["connections"] == []
        with pytest.raises(HttpError) as refusal:
            make(service, {"names": [{"givenName": "Ann"}]})
    assert refusal.value.status_code == 403


def test_a_user_has_so_many_requests_a_minute(server: SandboxServer, people: People) -> None:
    people.set_options(rate_limit_scale=0.1)
    with google_service(server.people_url, people.token(OWNER)) as service:
        for _ in range(9):
            listed(service)
        with pytest.raises(HttpError) as refusal:
            listed(service)
        assert refusal.value.status_code == 429
        server.stage.clock.advance(61)
        listed(service)

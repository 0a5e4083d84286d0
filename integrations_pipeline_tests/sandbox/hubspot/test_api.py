"""The documented limits and oddities of HubSpot's API, over plain HTTP."""

import pytest

from integrations_pipeline_tests.sandbox.hubspot.arrangement import CONTACTS, Arrangement, refusal
from integrations_sandbox import FaultRule, SandboxServer
from integrations_sandbox.hubspot.state import CONSENT, DEFAULT_PORTAL, READ, WRITE

MODIFIED = {"propertyName": "lastmodifieddate", "direction": "ASCENDING"}


def test_a_search_ends_at_its_wall(hub: Arrangement) -> None:
    hub.make_many(12)
    hub.hubspot.set_options(search_wall=8, search_page=4)
    assert [len(hub.search(limit=200, after=after)["results"]) for after in ("0", "4")] == [4, 4]
    assert refusal(hub.post("/search", limit=200, after="8")) == (400, "VALIDATION_ERROR")
    assert hub.search(limit=200)["total"] == 12


def test_the_index_of_a_search_lags_and_lists_do_not(hub: Arrangement) -> None:
    key = hub.make(1, company="Old")
    hub.hubspot.set_options(index_lag_seconds=30)
    hub.advance(60)
    hub.hubspot.edit(DEFAULT_PORTAL, key, {"company": "New"})
    (row,) = hub.search(properties=["company"])["results"]
    assert row["properties"]["company"] == "Old"
    listed = hub.http.get(CONTACTS, params={"properties": "company"}).json()["results"]
    assert listed[0]["properties"]["company"] == "New"
    hub.advance(31)
    (row,) = hub.search(properties=["company"])["results"]
    assert row["properties"]["company"] == "New"


def test_modification_dates_are_compared_in_milliseconds(hub: Arrangement) -> None:
    hub.make(1)
    hub.advance(10)
    second = hub.make(2)
    at = hub.hubspot.contact(DEFAULT_PORTAL, second).updated_at
    since = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(round(at.timestamp() * 1000))}
    found = hub.search(filterGroups=[{"filters": [since]}], sorts=[MODIFIED])
    assert [each["id"] for each in found["results"]] == [second]


def test_a_batch_takes_a_hundred_inputs_each_once(hub: Arrangement) -> None:
    inputs = [{"id": str(number)} for number in range(101)]
    assert refusal(hub.post("/batch/read", inputs=inputs)) == (400, "VALIDATION_ERROR")
    assert refusal(hub.post("/batch/read", inputs=[{"id": "1"}, {"id": "1"}])) == (400, "VALIDATION_ERROR")
    assert hub.post("/batch/update", inputs=[{"id": "1", "properties": {}}]).status_code == 207
    by_email = [{"id": "p1@people.test", "idProperty": "email", "properties": {}}]
    assert refusal(hub.post("/batch/update", inputs=by_email)) == (400, "VALIDATION_ERROR")


def test_a_batch_that_fails_as_a_whole_leaves_everything_as_it_was(hub: Arrangement) -> None:
    one, other = hub.make(1), hub.make(2)
    inputs = [
        {"id": one, "properties": {"email": "moved@people.test"}},
        {"id": other, "properties": {"email": "moved@people.test"}},
    ]
    assert refusal(hub.post("/batch/update", inputs=inputs)) == (409, "CONFLICT")
    assert [each["properties"]["email"] for each in hub.hubspot.contacts()] == ["p1@people.test", "p2@people.test"]
    assert hub.make(3)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("email", "no address", "INVALID_EMAIL"),
        ("size", "many", "INVALID_LONG"),
        ("size", " 5", "INVALID_LONG"),
        ("since", "yesterday", "INVALID_DATE"),
        ("since", "1772323201000", "INVALID_DATE"),
        ("tier", "copper", "INVALID_OPTION"),
        ("hs_email_optout", "false", "READ_ONLY_VALUE"),
        ("nothing", "x", "PROPERTY_DOESNT_EXIST"),
        ("company", "Other", "VALIDATION_RULE_FAILED"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_property(
    hub: Arrangement, name: str, value: str, code: str
) -> None:
    hubspot = hub.hubspot
    hubspot.create_property(DEFAULT_PORTAL, "size", type="number", field_type="number")
    hubspot.create_property(DEFAULT_PORTAL, "since", type="date", field_type="date")
    hubspot.create_property(DEFAULT_PORTAL, "tier", type="enumeration", field_type="select", options=["Gold"])
    hubspot.add_rule(DEFAULT_PORTAL, "company", "^Acme")
    answer = hub.http.patch(f"{CONTACTS}/{hub.make(1)}", json={"properties": {name: value}})
    (told,) = answer.json()["errors"]
    assert (answer.status_code, told["code"], told["context"]["propertyName"]) == (400, code, [name])


def test_values_come_back_as_they_are_kept(hub: Arrangement) -> None:
    hub.hubspot.create_property(DEFAULT_PORTAL, "since", type="date", field_type="date")
    hub.hubspot.create_property(DEFAULT_PORTAL, "at", type="datetime", field_type="date")
    key = hub.make(1)
    given = {"since": "1772323200000", "at": "2026-03-01T10:00:00+01:00", "phone": "", "email": " P1@People.test"}
    body = hub.http.patch(f"{CONTACTS}/{key}", json={"properties": given}).json()["properties"]
    assert (body["since"], body["at"], body["phone"]) == ("2026-03-01", "2026-03-01T09:00:00Z", None)
    assert body["email"] == "p1@people.test"


def test_a_lifecycle_stage_that_goes_back_is_answered_as_if_it_did(hub: Arrangement) -> None:
    key = hub.make(1, lifecyclestage="customer")
    for stage, held in (("lead", "customer"), ("", None), ("lead", "lead")):
        body = hub.http.patch(f"{CONTACTS}/{key}", json={"properties": {"lifecyclestage": stage}})
        assert (body.status_code, body.json()["properties"]["lifecyclestage"]) == (200, held)


def test_a_contact_is_not_restored_while_another_one_has_its_address(hub: Arrangement) -> None:
    hub.hubspot.archive(DEFAULT_PORTAL, key := hub.make(1))
    second = hub.make(1)
    path = f"/sandbox/hubspot/portals/{DEFAULT_PORTAL}/contacts/{key}/restore"
    root = hub.server.url
    assert hub.http.post(root + path).status_code == 409
    hub.hubspot.forget(DEFAULT_PORTAL, second)
    assert hub.http.post(root + path).status_code == 200
    assert [each["id"] for each in hub.hubspot.contacts()] == [key]


def test_an_additional_address_leads_to_the_contact_and_is_taken(hub: Arrangement) -> None:
    one, other = hub.make(1), hub.make(2)
    hub.hubspot.set_options(merge_makes_new_id=False)
    hub.hubspot.merge(DEFAULT_PORTAL, one, other)
    read = hub.post("/batch/read", inputs=[{"id": "p2@people.test"}], idProperty="email").json()
    assert [(each["id"], each["properties"]["email"]) for each in read["results"]] == [(one, "p1@people.test")]
    created = hub.post("/batch/create", inputs=[{"properties": {"email": "p2@people.test"}}])
    assert refusal(created) == (409, "CONFLICT")


def test_an_address_is_opted_out_of_everything_and_keeps_it(hub: Arrangement) -> None:
    path = "/communication-preferences/2026-09/statuses/p1@people.test/unsubscribe-all"
    assert hub.http.get(path).json()["results"] == []
    assert hub.http.post(path, params={"channel": "EMAIL"}).json()["results"][0]["status"] == "UNSUBSCRIBED"
    key = hub.make(1)
    shown = hub.http.get(f"{CONTACTS}/{key}", params={"properties": "hs_email_optout"}).json()
    assert shown["properties"]["hs_email_optout"] == "true"
    hub.http.patch(f"{CONTACTS}/{key}", json={"properties": {"email": "moved@people.test"}})
    shown = hub.http.get(f"{CONTACTS}/{key}", params={"properties": "hs_email_optout"}).json()
    assert shown["properties"]["hs_email_optout"] is None


def test_each_request_needs_its_scope(hub: Arrangement) -> None:
    hub.http.headers["Authorization"] = f"Bearer {hub.hubspot.create_token(scopes=[])}"
    consent = "/communication-preferences/2026-09/statuses/a@b.test/unsubscribe-all"
    for method, path, scope in (
        ("GET", CONTACTS, READ),
        ("POST", f"{CONTACTS}/search", READ),
        ("POST", f"{CONTACTS}/batch/update", WRITE),
        ("POST", consent, CONSENT),
    ):
        answer = hub.http.request(method, path, json={})
        assert refusal(answer) == (403, "MISSING_SCOPES")
        assert answer.json()["errors"][0]["context"]["requiredGranularScopes"] == [scope]
    assert hub.http.get("/account-info/2026-09/details").json()["portalId"] == DEFAULT_PORTAL
    hub.hubspot.close_portal()
    assert hub.http.get("/account-info/2026-09/details").status_code == 403


def test_limits_count_by_ten_seconds_by_searches_and_by_day(hub: Arrangement) -> None:
    hub.hubspot.set_options(rate_limit_scale=0.1)
    answers = [hub.http.get(CONTACTS) for _ in range(11)]
    assert [each.status_code for each in answers] == [200] * 10 + [429]
    assert answers[-1].json()["policyName"] == "TEN_SECONDLY_ROLLING"
    hub.advance(11)
    assert [hub.post("/search").status_code for _ in range(2)] == [200, 429]
    hub.hubspot.set_options(rate_limit_scale=None, daily_limit=1)
    assert hub.http.get(CONTACTS).status_code == 200
    assert hub.http.get(CONTACTS).json()["policyName"] == "DAILY"
    hub.advance(86_400)
    assert hub.http.get(CONTACTS).status_code == 200


def test_pages_can_be_cut_without_a_sign(hub: Arrangement) -> None:
    hub.make_many(4)
    hub.hubspot.add_fault(FaultRule(action="truncate_page"))
    assert len(hub.http.get(CONTACTS, params={"limit": "2"}).json()["results"]) == 1


def test_people_act_through_the_control_api(hub: Arrangement, running_sandbox: SandboxServer) -> None:
    root = running_sandbox.url + "/sandbox/hubspot"
    portal = hub.http.post(f"{root}/portals").json()
    path = f"{root}/portals/{portal['id']}"
    hub.http.post(f"{path}/properties", json={"name": "size", "type": "number"})
    made = hub.http.post(f"{path}/contacts", json={"email": "a@people.test", "size": "5"}).json()
    other = hub.http.post(f"{path}/contacts", json={"email": "b@people.test"}).json()
    hub.http.patch(f"{path}/contacts/{made['id']}", json={"company": "Acme"})
    merged = hub.http.post(f"{path}/contacts/{made['id']}/merge", json={"other": other["id"]}).json()
    hub.http.post(f"{path}/opt-outs", json={"email": "a@people.test"})
    (shown,) = hub.http.get(f"{path}/contacts").json()["contacts"]
    values = shown["properties"]
    assert (shown["id"], values["size"], values["company"]) == (merged["id"], "5", "Acme")
    assert values["hs_email_optout"] == "true"
    hub.http.post(f"{path}/opt-ins", json={"email": "a@people.test"})
    hub.http.delete(f"{path}/contacts/{shown['id']}")
    assert hub.http.get(f"{path}/contacts").json() == {"contacts": []}
    hub.http.delete(path)
    headers = {"Authorization": f"Bearer {portal['token']}"}
    assert hub.http.get(CONTACTS, headers=headers).status_code == 403

"""The official client works against the sandbox."""

import pytest
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInput,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchInputSimplePublicObjectId,
    BatchReadInputSimplePublicObjectId,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInput,
    SimplePublicObjectBatchInputForCreate,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectId,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.contacts.exceptions import ApiException

from integrations_pipeline_tests.sandbox.hubspot.arrangement import Arrangement
from integrations_sandbox import FaultRule


def test_a_contact_makes_the_round_trip_of_create_get_update_and_archive(hub: Arrangement) -> None:
    basic = hub.contacts.basic_api
    given = SimplePublicObjectInputForCreate(properties={"email": "ADA@people.test", "firstname": "Ada"})
    made = basic.create(simple_public_object_input_for_create=given)
    assert (made.properties["email"], made.archived) == ("ada@people.test", False)
    changed = basic.update(
        made.id, simple_public_object_input=SimplePublicObjectInput(properties={"company": "Engines"})
    )
    assert changed.properties["company"] == "Engines"
    shown = basic.get_by_id(made.id, properties=["firstname", "company", "phone"])
    assert (shown.properties["firstname"], shown.properties["phone"]) == ("Ada", None)
    by_email = basic.get_by_id("ada@people.test", id_property="email")
    assert by_email.id == made.id
    basic.archive(made.id)
    with pytest.raises(ApiException) as caught:
        basic.get_by_id(made.id)
    assert caught.value.status == 404
    (archived,) = basic.get_page(archived=True).results
    assert (archived.id, archived.archived) == (made.id, True)


def test_all_contacts_are_read_page_by_page(hub: Arrangement) -> None:
    ids = hub.make_many(25)
    found, after = [], None
    while True:
        page = hub.contacts.basic_api.get_page(limit=10, after=after)
        found += [each.id for each in page.results]
        if page.paging is None:
            break
        after = page.paging.next.after
    assert found == ids
    assert len(hub.contacts.get_all()) == 25


def test_batches_create_read_update_upsert_and_archive(hub: Arrangement) -> None:
    batch = hub.contacts.batch_api
    inputs = [
        SimplePublicObjectBatchInputForCreate(
            properties={"email": f"b{number}@people.test"}, object_write_trace_id=f"t{number}"
        )
        for number in range(3)
    ]
    made = batch.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs))
    ids = {each.object_write_trace_id: each.id for each in made.results}
    assert set(ids) == {"t0", "t1", "t2"}
    updates = [SimplePublicObjectBatchInput(id=ids["t0"], properties={"company": "X"})]
    batch.update(BatchInputSimplePublicObjectBatchInput(inputs=updates))
    upserts = [
        SimplePublicObjectBatchInputUpsert(id=email, id_property="email", properties={"phone": "+1"})
        for email in ("b1@people.test", "new@people.test")
    ]
    upserted = batch.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=upserts))
    assert [each.new for each in upserted.results] == [False, True]
    wanted = BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=ids["t0"]), SimplePublicObjectId(id="999")],
        properties=["company"],
        properties_with_history=[],
    )
    read = batch.read(wanted)
    assert [each.properties["company"] for each in read.results] == ["X"]
    assert (read.num_errors, read.errors[0].context) == (1, {"ids": ["999"]})
    batch.archive(BatchInputSimplePublicObjectId(inputs=[SimplePublicObjectId(id=ids["t2"])]))
    assert len(hub.hubspot.contacts()) == 3


def test_one_refused_input_fails_alone_where_every_input_carries_its_trace(hub: Arrangement) -> None:
    hub.make(1)
    rows = {"taken": "p1@people.test", "wrong": "no address", "good": "good@people.test"}
    inputs = [
        SimplePublicObjectBatchInputForCreate(properties={"email": email}, object_write_trace_id=trace)
        for trace, email in rows.items()
    ]
    answer = hub.contacts.batch_api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs))
    assert [each.object_write_trace_id for each in answer.results] == ["good"]
    told = {each.context["objectWriteTraceId"][0]: each.category for each in answer.errors}
    assert told == {"taken": "CONFLICT", "wrong": "VALIDATION_ERROR"}


def test_without_traces_a_batch_is_applied_as_a_whole_or_not_at_all(hub: Arrangement) -> None:
    inputs = [
        SimplePublicObjectBatchInputForCreate(properties={"email": email})
        for email in ("good@people.test", "no address")
    ]
    with pytest.raises(ApiException) as caught:
        hub.contacts.batch_api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs))
    assert (caught.value.status, "INVALID_EMAIL" in caught.value.body) == (400, True)
    assert not hub.hubspot.contacts()


def test_a_search_filters_sorts_and_tells_how_many_there_are(hub: Arrangement) -> None:
    hub.make_many(5)
    asked = PublicObjectSearchRequest(
        filter_groups=[{"filters": [{"propertyName": "email", "operator": "IN", "values": ["p1@people.test"]}]}],
        properties=["email"],
        limit=2,
    )
    found = hub.contacts.search_api.do_search(asked)
    assert (found.total, found.results[0].properties["email"]) == (1, "p1@people.test")
    everybody = hub.contacts.search_api.do_search(PublicObjectSearchRequest(limit=2, sorts=["-hs_object_id"]))
    assert (everybody.total, len(everybody.results), everybody.paging.next.after) == (5, 2, "2")


def test_merged_contacts_are_found_under_both_ids(hub: Arrangement) -> None:
    one, other = hub.make(1, company="One"), hub.make(2, phone="+2")
    merged = hub.post("/merge", primaryObjectId=one, objectIdToMerge=other)
    new = merged.json()["id"]
    assert new not in (one, other)
    for key in (one, other, new):
        shown = hub.contacts.basic_api.get_by_id(key, properties=["company", "phone", "hs_merged_object_ids"])
        assert (shown.id, shown.properties["company"], shown.properties["phone"]) == (new, "One", "+2")
        assert shown.properties["hs_merged_object_ids"] == f"{one};{other}"
    assert not hub.contacts.basic_api.get_page(archived=True).results


def test_properties_are_listed_with_their_types_and_options(hub: Arrangement) -> None:
    portal = next(iter(hub.hubspot.portals))
    hub.hubspot.create_property(portal, "tier", type="enumeration", field_type="checkbox", options=["Gold", "Tin"])
    told = {each.name: each for each in hub.client.crm.properties.core_api.get_all("contacts").results}
    assert [each.value for each in told["tier"].options] == ["gold", "tin"]
    assert told["hs_email_optout"].modification_metadata.read_only_value
    assert not told["email"].modification_metadata.read_only_value


def test_refusals_reach_the_client_with_their_category(hub: Arrangement) -> None:
    hub.hubspot.add_fault(FaultRule(action="rate_limit"))
    with pytest.raises(ApiException) as caught:
        hub.contacts.basic_api.get_page()
    assert (caught.value.status, "TEN_SECONDLY_ROLLING" in caught.value.body) == (429, True)
    hub.client.access_token = "pat-wrong"
    with pytest.raises(ApiException) as caught:
        hub.contacts.basic_api.get_page()
    assert (caught.value.status, "INVALID_AUTHENTICATION" in caught.value.body) == (401, True)

"""Reading HubSpot: whom the search finds, however many and however late; the archive; merged contacts."""

from itertools import cycle

import httpx
import pytest

from integrations_pipeline.errors import CursorExpiredError, RetryableError, WrongAnswerError
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.base import Cursor
from integrations_pipeline.providers.hubspot.provider import HubSpotProvider
from integrations_pipeline.testing.conformance import contact
from integrations_pipeline.testing.reads import Read, read_all, read_changes
from integrations_pipeline_tests.providers.hubspot.bench import HubSpotBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import FaultRule


def changes(bench: HubSpotBench, cursor: Cursor) -> tuple[Read, list[str]]:
    """What a new provider reads since the cursor, and the ends of the paths that it asked."""
    before = bench.count_requests()
    provider = bench.provider()
    read = read_changes(provider, cursor)
    provider.close()
    return read, [each.path.rpartition("/contacts")[2] for each in bench.hubspot.requests()[before:]]


def everything(bench: HubSpotBench) -> Read:
    provider = bench.provider()
    read = read_all(provider)
    provider.close()
    return read


def later(bench: HubSpotBench, seconds: float = 3600.0) -> None:
    bench.server.stage.clock.advance(seconds)


def test_a_search_beyond_its_wall_is_walked_by_date_and_id(bench: HubSpotBench) -> None:
    cursor = everything(bench).cursor
    bench.hubspot.set_options(search_wall=10, search_page=5)
    later(bench)
    at_once = bench.people_make([contact(number) for number in range(12)])
    spread = []
    for number in range(12, 40):
        later(bench, 1 if number % 3 else 0)
        spread += bench.people_make([contact(number)])
    read, asked = changes(bench, cursor)
    assert read.ids == {*at_once, *spread}
    assert 40 // 5 <= asked.count("/search") <= 16
    assert all("after" not in each.body for each in bench.hubspot.requests() if each.path.endswith("/search"))


def test_very_many_of_one_moment_are_walked_by_id(bench: HubSpotBench) -> None:
    frozen = bench.hubspot.now
    cursor = everything(bench).cursor
    bench.hubspot.set_options(search_wall=10, search_page=5)
    later(bench)
    ids = bench.people_make([contact(number) for number in range(23)])
    portal = bench.hubspot.portal(bench.portal_id)
    for key in ids:
        portal.contacts[key].updated_at = frozen
        portal.contacts[key].note(frozen)
    read, asked = changes(bench, cursor)
    assert read.ids == set(ids)
    assert asked.count("/search") <= 8


def test_a_quiet_read_costs_two_requests_and_goes_on_doing_so(bench: HubSpotBench) -> None:
    bench.people_make([contact(number) for number in range(3)])
    later(bench, 5)
    cursor = everything(bench).cursor
    for seconds in (0, 60, 300, 3600):
        later(bench, seconds)
        read, asked = changes(bench, cursor)
        assert (read.ids, asked) == (set(), ["", "/search"])
        cursor = read.cursor


def test_what_was_read_in_the_overlap_is_read_again_only_once_it_changes(bench: HubSpotBench) -> None:
    first, second = bench.people_make([contact(1), contact(2)])
    later(bench, 5)
    cursor = everything(bench).cursor
    bench.people_edit(first, {"company": "Changed"})
    later(bench, 60)
    read, _ = changes(bench, cursor)
    assert read.ids == {first}
    bench.people_edit(second, {"company": "Changed"})
    again, asked = changes(bench, read.cursor)
    assert again.ids == {second}
    assert asked == ["", "/search", "/batch/read"]


def test_an_edit_that_the_index_tells_late_is_found_all_the_same(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    bench.hubspot.set_options(index_lag_seconds=240)
    later(bench)
    cursor = everything(bench).cursor
    later(bench, 10)
    bench.people_edit(key, {"company": "Late"})
    read, _ = changes(bench, cursor)
    assert key not in read.ids
    later(bench, 300)
    read, _ = changes(bench, read.cursor)
    assert read.records[key].fields["company"] == "Late"


def test_what_the_index_shows_is_not_believed_but_read_by_id(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    cursor = everything(bench).cursor
    later(bench)
    bench.people_edit(key, {"company": "First"})
    later(bench, 30)
    bench.hubspot.set_options(index_lag_seconds=20)
    bench.people_edit(key, {"company": "Second"})
    read, _ = changes(bench, cursor)
    assert read.records[key].fields["company"] == "Second"


def test_archived_contacts_are_tombstones_page_by_page(bench: HubSpotBench) -> None:
    ids = bench.people_make([contact(number) for number in range(230)])
    cursor = everything(bench).cursor
    later(bench)
    for key in ids:
        bench.people_delete(key)
    gone: set[str] = set()
    for _ in range(3):
        read, _ = changes(bench, cursor)
        gone |= read.tombstones
        cursor = read.cursor
    assert gone == set(ids)
    assert cursor["bin"] == ""


def test_a_restored_contact_is_there_again(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    bench.people_delete(key)
    cursor = everything(bench).cursor
    later(bench)
    bench.hubspot.restore(bench.portal_id, key)
    read, _ = changes(bench, cursor)
    assert (read.ids, read.tombstones) == ({key}, set())


@pytest.mark.parametrize("has_new_id", [True, False])
def test_merged_contacts_are_gone_and_come_as_what_they_became(bench: HubSpotBench, has_new_id: bool) -> None:
    bench.hubspot.set_options(merge_makes_new_id=has_new_id)
    one, other = bench.people_make([contact(1), contact(2)])
    cursor = everything(bench).cursor
    later(bench)
    merged = str(bench.hubspot.merge(bench.portal_id, one, other)["id"])
    read, _ = changes(bench, cursor)
    losers = {one, other} - {merged}
    assert (read.ids, read.tombstones) == ({merged}, losers)
    provider = bench.provider()
    page = provider.read_records([one, other])
    assert {record.external_id for record in page.records} == {merged}
    assert page.tombstones == losers
    provider.close()


@pytest.mark.parametrize("tells_missing", [True, False])
def test_an_id_counts_as_gone_by_evidence_only(bench: HubSpotBench, tells_missing: bool) -> None:
    bench.hubspot.set_options(tells_missing=tells_missing)
    there, gone = bench.people_make([contact(1), contact(2)])
    bench.hubspot.forget(bench.portal_id, gone)
    bench.hubspot.add_fault(FaultRule(action="empty_page", path_regex="batch/read"))
    provider = bench.provider()
    page = provider.read_records([there, gone])
    assert [record.external_id for record in page.records] == [there]
    assert page.tombstones == {gone}
    provider.close()


def test_without_a_time_to_go_on_from_everything_is_read(bench: HubSpotBench) -> None:
    provider = bench.provider()
    with pytest.raises(CursorExpiredError):
        list(provider.read_changes({}))
    provider.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("objects/.*/contacts$", {"results": [{"id": "1", "properties": {"email": "a@b.test"}}]}),
        ("objects/.*/contacts$", {"results": [{"id": "1"}]}),
        ("objects/.*/contacts$", {"results": [], "paging": {"next": {"after": ""}}}),
        ("objects/.*/contacts$", []),
        ("properties", {"results": []}),
    ],
)
def test_a_list_of_another_shape_is_a_fault_and_no_empty_account(bench: HubSpotBench, path: str, body: object) -> None:
    bench.hubspot.add_fault(FaultRule(action="status", status=200, path_regex=path, body=body, times=-1))  # type: ignore[arg-type]
    provider = bench.provider()
    with pytest.raises(RetryableError):
        list(provider.read_all())
    provider.close()


def test_a_search_that_goes_round_in_circles_ends_with_an_error(bench: HubSpotBench) -> None:
    (key,) = bench.people_make([contact(1)])
    cursor = everything(bench).cursor
    row = {"id": key, "properties": {"lastmodifieddate": cursor["since"]}}
    body = {"total": 1000, "results": [row]}
    bench.hubspot.add_fault(FaultRule(action="status", status=200, path_regex="search", body=body, times=-1))
    provider = bench.provider()
    with pytest.raises(WrongAnswerError):
        list(provider.read_changes(cursor))
    assert bench.count_requests() < 20
    provider.close()


def test_custom_properties_are_read_and_tags_are_several_options(bench: HubSpotBench) -> None:
    hubspot, portal = bench.hubspot, bench.portal_id
    hubspot.create_property(portal, "size", type="number", field_type="number")
    hubspot.create_property(portal, "labels", type="enumeration", field_type="checkbox", options=["Press", "Radio"])
    bench.mapping += [MappedField(name="tags", column="labels"), MappedField(name="custom_fields.size", column="size")]
    (key,) = bench.people_make([{**contact(1), "labels": "press;radio", "size": "12"}])
    fields = everything(bench).records[key].fields
    assert (fields["tags"], fields["custom_fields.size"]) == ("press\x1fradio", "12")


def test_another_account_than_the_one_that_is_named_is_refused(bench: HubSpotBench) -> None:
    provider: HubSpotProvider = bench.provider(settings={"portal_id": "7"})
    with pytest.raises(Exception, match=f"is of the HubSpot account {bench.portal_id}, and portal_id"):
        list(provider.read_all())
    assert not provider.is_place_of({"portal_id": "8"})
    assert not provider.is_place_of({})
    provider.close()
    same = bench.provider(settings={"portal_id": str(bench.portal_id)})
    assert same.is_place_of({"portal_id": str(bench.portal_id)})
    same.close()


class Circling(Loopback):
    """A list of contacts whose pages lead from one to the other and back."""

    def __init__(self) -> None:
        super().__init__()
        self._following = cycle(["7", "8"])

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and "/objects/" in request.url.path:
            paging = {"next": {"after": next(self._following)}}
            return httpx.Response(200, json={"results": [], "paging": paging}, request=request)
        return super().handle_request(request)


def test_a_list_that_leads_back_to_a_page_ends(bench: HubSpotBench) -> None:
    bench.network, network = Circling(), bench.network
    with pytest.raises(WrongAnswerError, match="leads back"):
        everything(bench)
    bench.network.shut_down()
    bench.network = network

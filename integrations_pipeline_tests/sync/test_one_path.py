"""A full read is a listing of which only what changed is kept: by fingerprints, which must never hide a change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from integrations_pipeline.engine.plan import NOT_RESTORED
from integrations_pipeline.model import Direction
from integrations_pipeline.providers.base import Page, RemoteRecord
from integrations_pipeline.sync.fingerprints import fingerprints_of
from integrations_pipeline.sync.reading import SIFTED_AT_ONCE, sift
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, people


def fingerprints(tenant: Tenant) -> dict[str, str | None]:
    rows = tenant.rows("select external_id, base_fingerprint from integration_links")
    return {row["external_id"]: row["base_fingerprint"] for row in rows}


def synced(world: World, count: int = 3, **settings: Any) -> tuple[Tenant, str, str]:
    """A tenant whose people came from the provider, and one of them: contact and record."""
    tenant = world.tenant(**settings)
    tenant.add_remote(*people(count))
    tenant.sync()
    contact_id = next(key for key, row in tenant.local().items() if row["email"] == "person1@example.org")
    return tenant, contact_id, tenant.record_of(contact_id)


def test_a_first_load_leaves_a_fingerprint_on_every_link_in_the_same_pass(world: World) -> None:
    tenant, _, _ = synced(world)
    assert len(fingerprints(tenant)) == 3
    assert all(fingerprints(tenant).values())


def test_links_of_an_earlier_version_get_their_fingerprints_by_the_first_full_read(world: World) -> None:
    tenant, _, _ = synced(world)
    before = fingerprints(tenant)
    tenant.rows("update integration_links set base_fingerprint = null returning 1")
    report = tenant.sync(is_full=True)
    assert fingerprints(tenant) == before
    assert [result.records_unchanged for result in report.results] == [3, 3]


def test_a_full_read_counts_those_that_are_as_agreed_and_were_not_compared_once_each(world: World) -> None:
    tenant, _, record_id = synced(world)
    tenant.edit_remote(record_id, company="Acme")
    report = tenant.sync(is_full=True)
    assert [result.records_updated for result in report.results] == [0, 1]
    assert [result.records_unchanged for result in report.results] == [3, 2]


def test_a_read_again_of_one_record_counts_nobody_else(world: World) -> None:
    tenant, _, record_id = synced(world)
    tenant.edit_remote(record_id, company="Acme")
    report = tenant.sync()
    assert [result.records_updated for result in report.results] == [0, 1]
    assert [result.records_unchanged for result in report.results] == [1, 0]


def test_nobody_is_made_again_in_a_table_that_was_found_empty(world: World) -> None:
    """Else an edit here would win over the delete there: of one record, not of all of them."""
    tenant, contact_id, _ = synced(world)
    tenant.edit_local(contact_id, company="Acme")
    for record_id in tenant.remote():
        tenant.delete_remote(record_id)
    report = tenant.sync(is_full=True)
    assert not tenant.remote()
    assert [(change.contact_id, change.reason) for change in report.plan.skipped] == [(contact_id, NOT_RESTORED)]
    assert len(tenant.local()) == 3


def test_a_record_that_goes_back_to_what_it_was_is_seen_to_change(world: World) -> None:
    tenant, contact_id, record_id = synced(world)
    for company in ("Acme", "", "Acme", ""):
        tenant.edit_remote(record_id, company=company)
        tenant.sync(is_full=True)
        assert tenant.local()[contact_id].get("company", "") == company


def test_a_record_put_back_to_what_it_was_before_our_own_write_is_seen_to_change(world: World) -> None:
    """Its fingerprint of then must not outlive the write: the record would seem to be as agreed."""
    tenant, contact_id, record_id = synced(world)
    tenant.edit_local(contact_id, company="Ours")
    tenant.sync()
    assert fingerprints(tenant)[record_id] is None
    tenant.pass_time(3600)
    tenant.edit_remote(record_id, company="")
    tenant.sync(is_full=True)
    assert "company" not in tenant.local()[contact_id]
    tenant.assert_in_sync()


def test_an_edit_here_and_a_full_read_at_once_lose_neither(world: World) -> None:
    tenant, contact_id, record_id = synced(world)
    tenant.edit_local(contact_id, company="Ours")
    tenant.edit_remote(record_id, phone="555")
    tenant.sync(is_full=True)
    assert (tenant.local()[contact_id]["company"], tenant.local()[contact_id]["phone"]) == ("Ours", "555")
    tenant.assert_in_sync()


def test_an_open_conflict_leaves_no_fingerprint_and_is_told_again_by_each_full_read(world: World) -> None:
    tenant, contact_id, record_id = synced(world, conflict_policy="manual")
    tenant.edit_local(contact_id, company="Ours")
    tenant.edit_remote(record_id, company="Theirs")
    for is_full in (False, True, True):
        assert tenant.sync(is_full=is_full).conflicts == 1
        assert len(tenant.conflicts("held")) == 1
    tenant.edit_remote(record_id, company="Ours")
    assert tenant.sync(is_full=True).conflicts == 0
    tenant.assert_in_sync()
    assert fingerprints(tenant)[record_id]


def test_another_mapping_makes_every_record_be_looked_at(world: World) -> None:
    tenant, contact_id, record_id = synced(world)
    tenant.edit_remote(record_id, company="Acme")
    tenant.sync()
    mapping = {"email": "Email", "name": "Name", "company": "Job Title"}
    tenant.configure(field_mapping=mapping)
    tenant.sync()
    values = tenant.local()[contact_id]
    assert values["company"] == "Acme"
    cells = tenant.world.airtable.table(tenant.base_id, TABLE).records[record_id].cells
    assert [*cells.values()].count("Acme") == 2, "the value here went into the other column"


def test_a_run_that_only_sends_notes_nothing_of_what_it_did_not_take(world: World) -> None:
    tenant, contact_id, record_id = synced(world)
    before = fingerprints(tenant)[record_id]
    tenant.edit_remote(record_id, company="Acme")
    tenant.sync(direction=Direction.TO_EXTERNAL, is_full=True)
    assert fingerprints(tenant)[record_id] == before
    tenant.sync(is_full=True)
    assert tenant.local()[contact_id]["company"] == "Acme"


def test_a_record_that_the_listing_does_not_show_is_asked_for_and_gone(world: World) -> None:
    tenant, contact_id, record_id = synced(world, delete_policy="propagate", delete_limit_fraction=1.0)
    tenant.delete_remote(record_id)
    tenant.sync(is_full=True)
    assert contact_id not in tenant.local()


def listing(count: int) -> list[RemoteRecord]:
    names = ("email", "name", "company", "job_title", "phone", "tags")
    return [RemoteRecord(external_id=f"rec{n:014d}", fields=dict.fromkeys(names, f"{n}")) for n in range(count)]


def link_all(tenant: Tenant, records: Sequence[RemoteRecord], made: Mapping[str, str | None]) -> None:
    """Links that know these records to be as they are."""
    ids, fingerprints = (list(values) for values in zip(*made.items(), strict=True))
    tenant.rows(
        "insert into integration_links (connection_id, workspace_id, contact_id, external_id, base_fingerprint) "
        "select :connection, :workspace, gen_random_uuid(), r.id, r.fingerprint "
        "from unnest(cast(:ids as text[]), cast(:fingerprints as text[])) as r(id, fingerprint) returning 1",
        connection=tenant.connection.id,
        workspace=tenant.workspace_id,
        ids=ids,
        fingerprints=fingerprints,
    )
    assert len(ids) == len(records)


def pages(records: Sequence[RemoteRecord]) -> Iterator[Page]:
    for start in range(0, len(records), 100):
        yield Page(records=records[start : start + 100], is_complete=True)


def test_of_a_listing_only_what_changed_is_kept_and_what_it_does_not_show_is_told(world: World) -> None:
    tenant = world.tenant()
    records = listing(SIFTED_AT_ONCE * 2 + 150)
    with tenant.run() as run:
        link_all(tenant, records, fingerprints_of(run, {record.external_id: record for record in records}))
        remote = sift(run, pages(records))
        assert (len(remote.records), len(remote.fingerprints)) == (0, 0)
        assert remote.sieve
        assert list(remote.sieve.missing()) == []
        changed = replace(records[7], fields={**records[7].fields, "name": "New"})
        news = sift(run, pages([*records[:7], changed, *records[9:]]))
        assert list(news.records) == [changed.external_id]
        assert news.sieve
        assert list(news.sieve.missing()) == [records[8].external_id]

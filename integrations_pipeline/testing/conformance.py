"""What every provider must do, as one suite. Third parties run it for theirs.

How: subclass `Conformance` in a test module of yours and give it a fixture `bench` that yields a `Bench`:
a way to build your provider, and an account (best a sandbox) with one empty list of contacts.

    class TestMine(Conformance):
        @pytest.fixture
        def bench(self) -> Iterator[Bench]:
            with my_sandbox() as account:
                yield MyBench(account)

Then `pytest` runs every promise. A promise that a provider cannot keep is skipped by what its `Capabilities`
declare, never by hand; `pytest -rs` prints which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from integrations_pipeline.errors import (
    CredentialsError,
    CursorExpiredError,
    NeedsAttentionError,
    PermanentError,
    RetryableError,
)
from integrations_pipeline.model import Change, ChangeKind, ChangeState, ContactValues, Outcome, Side
from integrations_pipeline.providers.base import Provider, RemoteRecord
from integrations_pipeline.testing.bench import (
    COLUMNED,
    DATED,
    KEYED,
    LISTED,
    MET,
    READ_ONLY,
    WRITTEN,
    Bench,
    Fields,
    needs,
    undeclared,
)
from integrations_pipeline.testing.reads import Read, read_all, read_changes


def contact(number: int) -> dict[str, str]:
    return {"email": f"person{number}@example.org", "name": f"Person {number}", "company": "Acme"}


def contact_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def creates(*numbers: int) -> list[Change]:
    return [
        Change(
            side=Side.REMOTE,
            kind=ChangeKind.CREATE,
            contact_id=contact_id(number),
            external_id=None,
            after=contact(number),
        )
        for number in numbers
    ]


def change(kind: ChangeKind, external_id: str, fields: Fields) -> Change:
    return Change(side=Side.REMOTE, kind=kind, contact_id=contact_id(1), external_id=external_id, after=fields)


def update(external_id: str, **fields: str) -> Change:
    return change(ChangeKind.UPDATE, external_id, fields)


def delete(external_id: str) -> Change:
    return change(ChangeKind.DELETE, external_id, {})


def shown(record: RemoteRecord) -> dict[str, str]:
    return {name: value for name, value in record.fields.items() if value}


class Conformance:
    """The promises. `bench` is the subclass's fixture."""

    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError("a conformance suite needs a fixture `bench`")

    @pytest.fixture(autouse=True)
    def declared(self, request: pytest.FixtureRequest, bench: Bench) -> None:
        if words := undeclared(request.function, bench.capabilities):
            pytest.skip(f"not declared that {words}")

    @pytest.fixture
    def provider(self, bench: Bench) -> Iterator[Provider]:
        made = bench.provider()
        yield made
        made.close()

    def made(self, provider: Provider, *numbers: int) -> list[str]:
        """Records made by us; their ids."""
        provider.prepare_write()
        outcomes = provider.write(creates(*numbers))
        assert [outcome.state for outcome in outcomes] == [ChangeState.APPLIED] * len(numbers)
        return [outcome.external_id or "" for outcome in outcomes]

    def test_a_check_finds_nothing_wrong_and_writes_nothing(self, provider: Provider) -> None:
        assert not provider.check(ContactValues()).problems
        assert not read_all(provider).records

    @needs(LISTED)
    def test_an_empty_account_is_a_complete_read_of_nothing(self, provider: Provider) -> None:
        read = read_all(provider)
        assert read.pages
        assert read.is_complete
        assert not read.records

    @needs(WRITTEN)
    def test_what_was_written_is_read_back(self, provider: Provider) -> None:
        (external_id,) = self.made(provider, 1)
        assert shown(read_all(provider).records[external_id]) == contact(1)
        (record,) = provider.read_records([external_id]).records
        assert shown(record) == contact(1)

    @needs(WRITTEN)
    def test_outcomes_come_in_the_order_of_the_batch(self, provider: Provider, bench: Bench) -> None:
        numbers = list(range(bench.capabilities.max_batch, 0, -1))
        ids = self.made(provider, *numbers)
        records = read_all(provider).records
        assert [records[external_id].fields["name"] for external_id in ids] == [f"Person {n}" for n in numbers]

    @needs(LISTED)
    def test_paging_misses_nothing_and_says_when_it_is_complete(self, provider: Provider, bench: Bench) -> None:
        count = 2 * bench.page_size + 1
        ids = bench.people_make([contact(number) for number in range(count)])
        read = read_all(provider)
        assert read.ids == set(ids)
        assert read.is_complete
        assert len(read.pages) >= 3

    @needs(LISTED)
    def test_a_read_that_stops_in_the_middle_does_not_pass_for_an_end(self, provider: Provider, bench: Bench) -> None:
        bench.people_make([contact(number) for number in range(bench.page_size + 1)])
        pages = provider.read_all()
        first = next(pages)
        bench.forget_cursors()
        whole = Read([first, *pages])
        assert len(whole.ids) == bench.page_size + 1

    @needs(LISTED)
    def test_unknown_ids_come_back_as_tombstones(self, provider: Provider, bench: Bench) -> None:
        (external_id,) = bench.people_make([contact(1)])
        page = provider.read_records([external_id, bench.unknown_id])
        assert [record.external_id for record in page.records] == [external_id]
        assert page.tombstones == {bench.unknown_id}

    @needs(WRITTEN)
    def test_a_create_written_twice_makes_one_record(self, provider: Provider) -> None:
        first = self.made(provider, 1, 2)
        assert self.made(provider, 1, 2) == first
        assert read_all(provider).ids == set(first)

    @needs(WRITTEN, KEYED)
    def test_a_create_leaves_the_contact_id_to_be_read(self, provider: Provider) -> None:
        (external_id,) = self.made(provider, 1)
        assert read_all(provider).records[external_id].contact_key == contact_id(1)

    @needs(WRITTEN)
    def test_a_create_that_nobody_heard_of_is_found_as_it_was_sent(self, provider: Provider, bench: Bench) -> None:
        since = datetime.now(UTC) - timedelta(minutes=1)
        first, second = self.made(provider, 1, 2)
        later = bench.provider()
        try:
            found = later.find_created(creates(1, 2, 3), since)
            others = later.find_created(creates(4), since)
        finally:
            later.close()
        assert {key: record.external_id for key, record in found.items()} == {
            contact_id(1): first,
            contact_id(2): second,
        }
        assert shown(found[contact_id(1)]) == contact(1)
        assert not others

    @needs(WRITTEN)
    def test_clearing_is_not_the_same_as_not_sending(self, provider: Provider) -> None:
        one, two = self.made(provider, 1, 2)
        provider.write([update(one, company=""), update(two, name="Other")])
        records = read_all(provider).records
        assert shown(records[one]) == {key: value for key, value in contact(1).items() if key != "company"}
        assert shown(records[two]) == {**contact(2), "name": "Other"}

    @needs(WRITTEN)
    def test_a_refused_record_fails_alone(self, provider: Provider, bench: Bench) -> None:
        good = creates(1, 3)
        bad = Change(
            side=Side.REMOTE, kind=ChangeKind.CREATE, contact_id=contact_id(2), external_id=None, after=bench.poison
        )
        provider.prepare_write()
        outcomes = provider.write([good[0], bad, good[1]])
        applied, failed = ChangeState.APPLIED, ChangeState.FAILED
        assert [outcome.state for outcome in outcomes] == [applied, failed, applied]
        assert outcomes[1].error_class
        self.assert_impersonal(outcomes, bench)
        assert len(read_all(provider).records) == 2

    @needs(WRITTEN)
    def test_an_update_of_a_gone_record_is_superseded_and_spares_the_others(
        self, provider: Provider, bench: Bench
    ) -> None:
        one, two = self.made(provider, 1, 2)
        bench.people_delete(one)
        outcomes = provider.write([update(one, name="X"), update(two, name="Y")])
        assert [outcome.state for outcome in outcomes] == [ChangeState.SUPERSEDED, ChangeState.APPLIED]
        assert read_all(provider).ids == {two}

    @needs(WRITTEN)
    def test_a_delete_of_a_gone_record_is_done(self, provider: Provider, bench: Bench) -> None:
        one, two = self.made(provider, 1, 2)
        bench.people_delete(one)
        outcomes = provider.write([delete(one), delete(two)])
        assert {outcome.state for outcome in outcomes} == {ChangeState.APPLIED}
        assert not read_all(provider).records

    @needs(LISTED)
    def test_a_cursor_tells_creates_edits_and_deletes_after_it(self, provider: Provider, bench: Bench) -> None:
        edited, deleted, still = bench.people_make([contact(number) for number in range(3)])
        cursor = read_all(provider).cursor
        bench.people_edit(edited, {"company": "Edited"})
        bench.people_delete(deleted)
        (new,) = bench.people_make([contact(9)])
        read = read_changes(provider, cursor)
        assert {edited, new} <= read.ids
        assert read.records[edited].fields["company"] == "Edited"
        assert shown(read.records[new]) == contact(9)
        assert deleted in read.tombstones or (read.is_complete and deleted not in read.ids)
        assert still not in read.tombstones

    def test_a_cursor_goes_on_in_another_process(self, bench: Bench) -> None:
        first = bench.provider()
        cursor = read_all(first).cursor
        first.close()
        (new,) = bench.people_make([contact(1)])
        second = bench.provider()
        read = read_changes(second, cursor)
        following = read_changes(second, read.cursor)
        second.close()
        assert new in read.ids
        assert following.is_complete or bench.looks_back or new not in following.ids

    def test_the_same_cursor_can_be_read_again(self, provider: Provider, bench: Bench) -> None:
        cursor = read_all(provider).cursor
        (new,) = bench.people_make([contact(1)])
        assert new in read_changes(provider, cursor).ids
        assert new in read_changes(provider, cursor).ids

    @needs(DATED, LISTED)
    def test_records_tell_when_they_were_changed(self, provider: Provider, bench: Bench) -> None:
        ids = bench.people_make([contact(1), contact(2)])
        times = [record.modified_at for record in read_all(provider).records.values()]
        assert len(times) == len(ids)
        assert all(time is not None and time.utcoffset() is not None for time in times)

    @needs(LISTED)
    def test_an_edit_during_a_full_read_is_told_by_its_cursor(self, provider: Provider, bench: Bench) -> None:
        (external_id, *_) = bench.people_make([contact(number) for number in range(bench.page_size + 1)])
        pages = provider.read_all()
        first = next(pages)
        bench.people_edit(external_id, {"company": "Late"})
        read = Read([first, *pages])
        told = read_changes(provider, read.cursor)
        seen = {**read.records, **told.records}
        assert seen[external_id].fields["company"] == "Late"

    def test_a_forgotten_cursor_is_said_or_made_good(self, provider: Provider, bench: Bench) -> None:
        cursor = read_all(provider).cursor
        (new,) = bench.people_make([contact(1)])
        bench.forget_cursors()
        try:
            read = read_changes(provider, cursor)
        except CursorExpiredError:
            return
        assert new in read.ids

    @needs(LISTED, COLUMNED)
    def test_a_field_that_is_missing_in_the_answer_changes_nothing(self, bench: Bench, provider: Provider) -> None:
        bench.people_make([contact(1), contact(2)])
        read_all(provider)
        known = provider.look().columns
        bench.admin_removes("company")
        later = bench.provider(known=known)
        try:
            records = read_all(later).records.values()
            assert set(later.look().stopped) == {"company"}
        finally:
            later.close()
        assert len(records) == 2
        for record in records:
            assert "company" not in record.fields, "a field that is not told is absent, not empty"
            assert record.fields["name"].startswith("Person")

    @needs(LISTED)
    def test_records_without_any_values_are_a_fault_of_the_read(self, bench: Bench, provider: Provider) -> None:
        """The provider says so itself where it can tell; else the records have no value, which the sync refuses."""
        bench.people_make([contact(1), contact(2)])
        with bench.answers_without_values():
            try:
                records = read_all(provider).records.values()
            except RetryableError:
                return
        assert records
        assert not any(value for record in records for value in record.fields.values())

    @needs(WRITTEN)
    def test_a_value_that_was_not_taken_is_told_and_the_old_one_stays(self, bench: Bench, provider: Provider) -> None:
        (external_id,) = bench.people_make([contact(1)])
        read_all(provider)
        provider.prepare_write()
        before = {"company": "Acme"}
        with bench.drops("company"):
            edited = replace(update(external_id, company="Quite new"), before=before, address=contact(1)["email"])
            (outcome,) = provider.write([edited])
        assert outcome.state is ChangeState.FAILED
        assert "Quite new" not in outcome.reason
        (found,) = provider.read_records([external_id]).records
        assert found.fields["company"] == "Acme"

    @needs(WRITTEN)
    def test_a_new_record_that_lacks_a_value_is_there_and_tells_it(self, bench: Bench, provider: Provider) -> None:
        provider.prepare_write()
        with bench.drops("company"):
            (outcome,) = provider.write(creates(1))
        assert outcome.state is ChangeState.APPLIED
        assert outcome.lost == {"company"}
        assert outcome.answered["company"] == ""
        assert outcome.external_id in read_all(provider).ids

    def test_wrong_credentials_are_told_apart_from_everything_else(self, bench: Bench) -> None:
        provider = bench.provider(is_authorised=False)
        try:
            with pytest.raises(CredentialsError) as caught:
                list(provider.read_all())
        finally:
            provider.close()
        assert provider.call_count <= 2
        assert "@" not in str(caught.value)

    @needs(MET)
    def test_people_met_are_told_each_once_and_never_as_all_there_are(self, provider: Provider, bench: Bench) -> None:
        """Whoever is not met again is not gone."""
        ids = bench.people_make([contact(number) for number in range(3)])
        read = read_all(provider)
        assert read.ids == set(ids)
        assert [record.fields["name"] for record in map(read.records.get, ids) if record] == [
            contact(number)["name"] for number in range(3)
        ]
        assert not read.is_complete
        following = read_changes(provider, read.cursor)
        assert not following.ids
        assert not (read.tombstones | following.tombstones)
        assert provider.read_records(ids).unchanged == set(ids)

    @needs(READ_ONLY)
    def test_what_is_only_read_refuses_to_be_written(self, provider: Provider) -> None:
        with pytest.raises((PermanentError, NeedsAttentionError)):
            provider.prepare_write()

    def assert_impersonal(self, outcomes: Sequence[Outcome], bench: Bench) -> None:
        for outcome in outcomes:
            assert not any(value in outcome.reason for value in bench.poison.values() if value)
            assert "@" not in outcome.reason

"""Somebody's mistake that a correct sync would spread: held beyond a limit, told once, decided, undone by its cause."""

from typing import Any

import pytest

from integrations_pipeline.model import AgendaKind, Decision, RunStatus
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, people

COUNT = 40


def loaded(world: World, **settings: Any) -> Tenant:
    """A tenant with `COUNT` people on both sides, all with a company."""
    tenant = world.tenant(**settings)
    tenant.add_remote(*({**each, "company": "Acme"} for each in people(COUNT)))
    tenant.sync()
    return tenant


def decide(tenant: Tenant, decision: Decision, kind: AgendaKind, *contact_ids: str) -> int:
    """What a person says about held changes: of these contacts, or of all."""
    return len(
        tenant.rows(
            "update integration_agenda set decision = :decision, decided_at = now(), decided_by = 'ann' "
            "where kind = :kind and (:is_all or contact_id = any(cast(:ids as uuid[]))) returning id",
            decision=decision.value,
            kind=kind.value,
            is_all=not contact_ids,
            ids=list(contact_ids),
        )
    )


def clear_there(tenant: Tenant, count: int = COUNT) -> list[str]:
    """The column is emptied at the provider; the contacts concerned."""
    chosen = sorted(tenant.links().items())[:count]
    for _, record_id in chosen:
        tenant.edit_remote(record_id, company="")
    return [contact_id for contact_id, _ in chosen]


def companies(tenant: Tenant) -> set[str]:
    return {row.get("company", "") for row in tenant.local().values()}


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
def test_a_column_that_is_emptied_there_empties_nothing_here_and_the_rest_goes_on(world: World, is_full: bool) -> None:
    tenant = loaded(world)
    emptied = clear_there(tenant)
    for contact_id in emptied[:3]:
        tenant.edit_remote(tenant.record_of(contact_id), name="New name")

    report = tenant.sync(is_full=is_full)

    assert report.status is RunStatus.REFUSED
    assert "too many values of company would become empty in the workspace: 40 now" in report.refusals[0]
    assert companies(tenant) == {"Acme"}
    assert [tenant.local()[contact_id]["name"] for contact_id in emptied[:3]] == ["New name"] * 3
    assert len(tenant.agenda.of(AgendaKind.HELD_CLEAR)) == report.held == COUNT
    ids = [item.id for item in tenant.agenda.items]
    again = tenant.sync(is_full=is_full)
    assert [item.id for item in tenant.agenda.items] == ids, "asked once"
    assert again.status is RunStatus.REFUSED
    assert companies(tenant) == {"Acme"}


def test_values_emptied_here_stay_there_until_somebody_decides(world: World) -> None:
    tenant = loaded(world)
    for contact_id in list(tenant.local())[:20]:
        tenant.edit_local(contact_id, company="")
    assert tenant.sync().held == 20
    assert {row["company"] for row in tenant.remote().values()} == {"Acme"}

    decide(tenant, Decision.APPROVED, AgendaKind.HELD_CLEAR)
    report = tenant.sync()

    assert report.held == 0
    tenant.assert_in_sync()
    assert len([row for row in tenant.remote().values() if row.get("company")]) == 20
    assert not tenant.agenda.items
    assert tenant.sync().status is RunStatus.SUCCESS


def test_rejected_values_come_back_on_the_side_that_lost_them(world: World) -> None:
    tenant = loaded(world)
    clear_there(tenant)
    tenant.sync()

    assert decide(tenant, Decision.REJECTED, AgendaKind.HELD_CLEAR) == COUNT
    tenant.sync()

    assert {row["company"] for row in tenant.remote().values()} == {"Acme"}
    tenant.assert_in_sync()
    assert not tenant.agenda.items
    tenant.assert_quiet(3)


def test_some_may_be_approved_and_others_rejected(world: World) -> None:
    tenant = loaded(world)
    emptied = clear_there(tenant)
    tenant.sync()
    decide(tenant, Decision.APPROVED, AgendaKind.HELD_CLEAR, *emptied[:10])
    decide(tenant, Decision.REJECTED, AgendaKind.HELD_CLEAR, *emptied[10:20])

    tenant.sync()

    here = tenant.local()
    assert [here[key].get("company", "") for key in emptied[:10]] == [""] * 10
    assert {tenant.remote()[tenant.record_of(key)].get("company") for key in emptied[10:20]} == {"Acme"}
    assert len(tenant.agenda.of(AgendaKind.HELD_CLEAR)) == 20, "nobody said anything about these"
    assert {here[key]["company"] for key in emptied[20:]} == {"Acme"}


def test_the_hold_clears_itself_when_the_values_are_back(world: World) -> None:
    tenant = loaded(world)
    clear_there(tenant)
    tenant.sync()
    for record_id in tenant.links().values():
        tenant.edit_remote(record_id, company="Acme")
    report = tenant.sync()
    assert (report.held, report.status) == (0, RunStatus.SUCCESS)
    assert not tenant.agenda.items
    tenant.assert_in_sync()


def test_a_slow_leak_is_counted_over_24_hours(world: World) -> None:
    tenant = loaded(world, change_limit_fraction=0.2)
    contacts = sorted(tenant.links())
    for at in range(8):
        tenant.edit_remote(tenant.record_of(contacts[at]), company="")
        tenant.sync()
    assert companies(tenant) == {"", "Acme"}
    tenant.edit_remote(tenant.record_of(contacts[8]), company="")
    report = tenant.sync()
    assert report.held == 1, "8 of 40 are a fifth"
    tenant.rows("update integration_changes set updated_at = now() - interval '25 hours' returning 1")


def test_an_export_with_other_emails_changes_nobodys_address(world: World) -> None:
    tenant = loaded(world)
    for contact_id, record_id in tenant.links().items():
        tenant.edit_remote(record_id, email=f"other-{contact_id[:8]}@example.org")
    report = tenant.sync()
    assert report.held == COUNT
    assert all(row["email"].startswith("person") for row in tenant.local().values())
    decide(tenant, Decision.REJECTED, AgendaKind.HELD_EMAIL)
    tenant.sync()
    assert all(row["email"].startswith("person") for row in tenant.remote().values())
    tenant.assert_in_sync()


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.REJECTED])
def test_what_a_person_said_of_an_email_says_nothing_of_a_later_one(world: World, decision: Decision) -> None:
    tenant = loaded(world)
    for contact_id, record_id in tenant.links().items():
        tenant.edit_remote(record_id, email=f"other-{contact_id[:8]}@example.org")
    tenant.sync()
    contact_id, record_id = min(tenant.links().items())
    before = tenant.local()[contact_id]["email"]
    decide(tenant, decision, AgendaKind.HELD_EMAIL)
    tenant.edit_remote(record_id, email="third@example.org")

    assert tenant.sync().held == 1
    assert tenant.local()[contact_id]["email"] == before, "nobody approved this one"
    assert tenant.remote()[record_id]["email"] == "third@example.org", "nobody rejected it"
    (item,) = tenant.agenda.of(AgendaKind.HELD_EMAIL)
    assert (item.decision, dict(item.after)) == (None, {"email": "third@example.org"})

    decide(tenant, Decision.APPROVED, AgendaKind.HELD_EMAIL)
    tenant.sync()
    assert tenant.local()[contact_id]["email"] == "third@example.org"
    assert not tenant.agenda.items
    tenant.assert_in_sync()


def test_a_column_of_emails_that_slips_by_one_row_changes_nobodys_address(world: World) -> None:
    tenant = loaded(world)
    links = sorted(tenant.links().items())
    emails = [tenant.local()[contact_id]["email"] for contact_id, _ in links]
    for (_, record_id), email in zip(links, [*emails[1:], emails[0]], strict=True):
        tenant.edit_remote(record_id, email=email)
    assert tenant.sync().held == COUNT
    assert [tenant.local()[contact_id]["email"] for contact_id, _ in links] == emails


def test_an_import_at_the_provider_that_doubles_the_list_waits(world: World) -> None:
    tenant = loaded(world)
    tenant.add_remote(*people(COUNT + 1, first=500))
    report = tenant.sync()
    assert (report.status, report.held) == (RunStatus.REFUSED, COUNT + 1)
    assert len(tenant.local()) == COUNT
    assert tenant.sync().held == COUNT + 1, "an incremental read does not tell them again, and they wait all the same"
    decide(tenant, Decision.APPROVED, AgendaKind.HELD_CREATE)
    # A record that nobody linked has no contact id: it is told by its own.
    tenant.rows("update integration_agenda set decision = 'approved', decided_at = now() returning 1")
    tenant.sync()
    assert len(tenant.local()) == 2 * COUNT + 1
    tenant.assert_in_sync()


def test_people_whom_a_person_rejected_are_not_made_and_not_asked_about_again(world: World) -> None:
    tenant = loaded(world, create_limit_fraction=0.1)
    tenant.add_local(*people(5, first=500))
    assert tenant.sync().held == 5
    decide(tenant, Decision.REJECTED, AgendaKind.HELD_CREATE)
    for is_full in (False, True, False):
        report = tenant.sync(is_full=is_full)
        assert (report.held, report.status) == (0, RunStatus.SUCCESS)
        assert len(tenant.remote()) == COUNT


def test_the_first_sync_makes_everybody_and_so_does_the_first_list(world: World) -> None:
    tenant = world.tenant()
    tenant.sync()
    tenant.add_remote(*people(100))
    report = tenant.sync()
    assert (report.held, len(tenant.local())) == (0, 100), "nobody was linked: there is nothing to compare with"


@pytest.mark.parametrize(("limit", "held"), [(3, 4), (4, 0)])
def test_limits_are_settings(world: World, limit: int, held: int) -> None:
    tenant = loaded(world, change_limit=limit, change_limit_fraction=1.0)
    clear_there(tenant, 4)
    assert tenant.sync().held == held


def test_a_decision_whose_write_fails_is_kept_for_the_next_run(world: World) -> None:
    tenant = loaded(world)
    clear_there(tenant)
    tenant.sync()
    decide(tenant, Decision.REJECTED, AgendaKind.HELD_CLEAR)
    world.fault("status", status=422, method="PATCH", times=1)
    tenant.sync()
    tenant.sync()
    assert {row["company"] for row in tenant.remote().values()} == {"Acme"}
    assert companies(tenant) == {"Acme"}
    tenant.sync()
    assert not tenant.agenda.items


# Another place


def another_table(world: World, count: int = 0) -> str:
    """A base with a contacts table of `count` other people."""
    base = world.airtable.create_base("Another")
    world.airtable.create_contacts_table(base.id, TABLE)
    cells = [{"Name": f"Stranger {n}", "Email": f"stranger{n}@example.org"} for n in range(count)]
    world.airtable.create_records(base.id, TABLE, cells)
    return str(base.id)


@pytest.mark.parametrize("strangers", [0, COUNT], ids=["an empty table", "a table of other people"])
def test_a_wrong_table_is_one_question_and_nothing_is_done(world: World, strangers: int) -> None:
    tenant = loaded(world)
    right, wrong = tenant.base_id, another_table(world, strangers)
    links = tenant.links()
    tenant.base_id = wrong
    tenant.configure(base_id=wrong)
    for _ in range(2):
        report = tenant.sync()
        assert report.status is RunStatus.REFUSED
        assert report.refusals[0].startswith("the connection points to another place at Airtable: 40 of 40 linked")
        assert [item.kind for item in tenant.agenda.items] == [AgendaKind.HELD_PLACE]
        assert (tenant.links(), len(tenant.local())) == (links, COUNT)
        assert len(world.airtable.table(wrong, TABLE).records) == strangers
    assert tenant.preview().refusals == report.refusals

    tenant.base_id = right
    tenant.configure(base_id=right)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert not tenant.agenda.items, "it answered itself"
    tenant.assert_in_sync()


def test_a_new_place_that_is_meant_is_a_first_sync(world: World) -> None:
    tenant = loaded(world)
    new = another_table(world)
    world.airtable.create_records(new, TABLE, [{"Name": "Person 0", "Email": "person0@example.org"}])
    tenant.base_id = new
    tenant.configure(base_id=new)
    tenant.sync()
    tenant.rows("update integration_agenda set decision = 'approved', decided_at = now() returning 1")

    report = tenant.sync()

    assert (report.status, report.error) == (RunStatus.SUCCESS, "")
    assert not tenant.agenda.items
    assert len(tenant.local()) == len(tenant.remote()) == COUNT, "the one who was there is the same person"
    tenant.assert_in_sync()
    gone = tenant.rows("select count(*) as n from integration_changes where kind = 'unlink' and state = 'applied'")
    assert gone == [{"n": COUNT}]

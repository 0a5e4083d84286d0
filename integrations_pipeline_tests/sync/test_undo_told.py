"""What an undo says it did: its report, its rows of log, journal and activity."""

from typing import Any

import pytest

from integrations_pipeline.errors import BusyError
from integrations_pipeline.model import AgendaKind, Decision
from integrations_pipeline.providers.airtable import PROVIDER
from integrations_pipeline.store import undoing
from integrations_pipeline.store.decisions import Verdict, decide_holds
from integrations_pipeline.store.waiting import HOLDS, Choice
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.undo import UndoReport, undo_run
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people

FREE: dict[str, Any] = {"delete_policy": "propagate", "delete_limit_fraction": 1.0, "change_limit_fraction": 1.0}
TAKEN = "another contact has this e-mail now"


def edited(world: World, count: int = 3, **fields: str) -> tuple[Tenant, list[str], SyncReport]:
    """A tenant, its contacts, and the run that carried an edit of all of them."""
    tenant = world.tenant(**FREE, change_limit=1000)
    tenant.add_remote(*people(count))
    tenant.sync()
    ids = sorted(tenant.links())
    for number, contact_id in enumerate(ids):
        tenant.edit_local(contact_id, **{name: value.format(n=number) for name, value in fields.items()})
    return tenant, ids, tenant.sync()


def undo(tenant: Tenant, run: SyncReport | UndoReport, **options: Any) -> UndoReport:
    assert run.run_id
    with tenant.world.database.admin() as connection:
        found = undoing.find_run(connection, run.run_id)
    assert found
    return undo_run(tenant.world.runtime, found, "ann", **options)


def test_a_dry_undo_tells_the_same_and_does_nothing(world: World) -> None:
    tenant, ids, mistake = edited(world, company="Oops")
    before = tenant.fingerprint()
    told = undo(tenant, mistake, is_dry=True).to_dict()
    assert told == {
        "run": str(mistake.run_id),
        "run_id": None,
        "workspace": tenant.slug,
        "provider": "airtable",
        "undone": len(ids),
        "held": 0,
        "left_out": [],
        "sync": None,
    }
    assert tenant.fingerprint() == before
    assert not tenant.journal("undone")


def test_an_undo_tells_its_run_what_it_left_and_the_sync_that_followed(world: World) -> None:
    tenant, (first, *rest), mistake = edited(world, company="Oops")
    tenant.edit_local(first, company="Right")
    report = undo(tenant, mistake)
    assert report.sync
    told = report.to_dict()
    assert (told["undone"], told["run_id"], told["sync"]) == (len(rest), str(report.run_id), report.sync.to_dict())
    assert told["left_out"] == [{"contact_id": first, "field": "company", "reason": "edited here since"}]
    assert report.run.run_id == mistake.run_id

    (log,) = tenant.rows("select * from integration_sync_logs where run_id = :id", id=report.run_id)
    metadata = {"undo_of": str(mistake.run_id), "left_out": 1, "decided_by": "ann"}
    assert (log["status"], log["direction"], log["metadata"]) == ("partial", "from_external", metadata)
    assert (log["records_updated"], log["records_created"], log["records_held"]) == (2, 0, 0)
    (activity,) = tenant.rows("select * from integration_activity where action = 'undo'")
    assert (activity["integration_name"], activity["success"], activity["records_affected"]) == ("airtable", True, 2)
    assert activity["metadata"] == {**metadata, "run_id": str(report.run_id)}

    undone = tenant.rows("select contact_id::text, reason from integration_changes where state = 'undone'")
    assert {row["contact_id"] for row in undone} == set(rest)
    assert {row["reason"] for row in undone} == {f"undone by run {report.run_id}"}
    made = tenant.rows("select distinct sync_log_id from integration_changes where run_id = :id", id=report.run_id)
    assert made == [{"sync_log_id": log["id"]}]


def test_people_that_come_back_and_are_held_are_counted_as_such(world: World) -> None:
    tenant, (first, second, _), _ = edited(world, company="Acme")
    tenant.delete_local(first)
    tenant.add_local({"email": "new@example.org", "name": "New"})
    run = tenant.sync()
    report = undo(tenant, run)
    assert (report.undone, report.held, report.left_out) == (1, 1, ())
    (log,) = tenant.rows("select * from integration_sync_logs where run_id = :id", id=report.run_id)
    assert (log["records_updated"], log["records_created"], log["records_held"]) == (0, 1, 1)
    assert log["status"] == "success"
    assert first in tenant.links()
    assert second in tenant.links()


def test_what_is_held_says_where_it_would_be_deleted(world: World) -> None:
    tenant, (first, *_), _ = edited(world, company="Acme")
    tenant.add_local({"email": "here@example.org"})
    tenant.add_remote({"email": "there@example.org"})
    run = tenant.sync()
    undo(tenant, run)
    told = {item.after["email"]: item.reason for item in tenant.agenda.of(AgendaKind.HELD_DELETE)}
    made = f"made by run {run.run_id}, which was undone: approve to delete"
    assert told == {
        "here@example.org": f"{made} at the provider alone, the contact stays",
        "there@example.org": f"{made} here alone, the record stays",
    }
    tenant.delete_local(first)
    back = undo(tenant, tenant.sync())
    again = undo(tenant, back)
    (item,) = [each for each in tenant.agenda.of(AgendaKind.HELD_DELETE) if each.contact_id == first]
    assert item.reason.endswith("approve to delete here and at the provider")
    assert again.held == 1


@pytest.mark.parametrize(("decision", "action"), [("approved", "hold_approved"), ("rejected", "hold_rejected")])
def test_who_decided_what_an_undo_held_is_on_record(world: World, decision: str, action: str) -> None:
    tenant, *_ = edited(world, company="Acme")
    tenant.add_remote({"email": "there@example.org"})
    undo(tenant, tenant.sync())
    (item,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    verdict = Verdict(decision=Decision(decision), by="ann", because="why not")
    with world.database.workspace(tenant.workspace_id) as connection:
        decide_holds(connection, tenant.workspace_id, Choice(kinds=HOLDS, ids=[str(item.id)]), verdict)
    (record,) = tenant.rows("select action, metadata from integration_activity where action like 'hold%'")
    assert (record["action"], record["metadata"]["decided_by"]) == (action, "ann")
    stays_away = tenant.rows("select decided_by, reason from integration_agenda where kind = 'held_create'")
    word = "taken back by an undo, and not made again: approve to let it be made after all"
    assert stays_away == ([{"decided_by": "ann", "reason": word}] if decision == "approved" else [])


def test_an_email_that_somebody_else_has_now_is_left_with_all_of_that_contact(world: World) -> None:
    tenant, ids, mistake = edited(world, email="wrong{n}@example.org", company="Oops")
    taken = next(key for key in ids if tenant.local()[key]["name"] == "Person 1")
    tenant.add_local({"email": "person1@example.org", "name": "Somebody else"})
    report = undo(tenant, mistake)
    assert [(each.contact_id, each.field, each.reason) for each in report.left_out] == [(taken, "", TAKEN)]
    assert report.undone == 2 * (len(ids) - 1)
    undone = tenant.rows("select distinct contact_id::text c from integration_changes where state = 'undone'")
    assert {row["c"] for row in undone} == set(ids) - {taken}
    assert tenant.local()[taken]["company"] == "Oops"


def test_while_a_run_is_at_work_an_undo_is_refused_and_a_dry_one_is_not(world: World) -> None:
    tenant, ids, mistake = edited(world, company="Oops")
    with world.database.session(tenant.workspace_id) as session:
        assert session.try_lock(tenant.connection.id, "another run")
        assert undo(tenant, mistake, is_dry=True).undone == len(ids)
        with pytest.raises(BusyError):
            undo(tenant, mistake)


def test_records_are_looked_at_in_batches_and_none_is_forgotten(world: World) -> None:
    tenant, ids, _ = edited(world, PROVIDER.capabilities.max_read_batch + 2)
    tenant.rows("update workspace_contacts set company = 'Oops' returning 1")
    mistake = tenant.sync()
    records = sorted(tenant.links().items(), key=lambda link: link[1])
    chosen = [records[0], records[-1]]
    for _, record_id in chosen:
        tenant.edit_remote(record_id, company="Right")
    report = undo(tenant, mistake, is_dry=True)
    assert {each.contact_id for each in report.left_out} == {contact_id for contact_id, _ in chosen}
    assert {each.reason for each in report.left_out} == {"edited at the provider since"}
    assert report.undone == len(ids) - 2


def test_a_run_that_also_sent_mail_says_that_mail_stays_sent(world: World) -> None:
    tenant, _, mistake = edited(world, company="Oops")
    tenant.rows(
        "update integration_sync_logs set metadata = metadata || jsonb_build_object('pitches_sent', 2) "
        "where run_id = :id returning 1",
        id=mistake.run_id,
    )
    report = undo(tenant, mistake, is_dry=True)
    assert [(each.contact_id, each.field, each.reason) for each in report.left_out] == [
        (None, "", "2 e-mails were sent: that cannot be undone")
    ]
    assert report.to_dict()["left_out"][0]["field"] is None

"""Rarer events of a random history with a base: another place, values that are put back, records that are copied.

Belongs here: these, and what must hold at the end because of them. Does not: what is the same with all providers
(`sync.events`), ordinary edits, runs, faults and time (`history`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from integrations_pipeline.engine.match import SAME_KEY
from integrations_pipeline.model import AgendaKind, ChangeKind, RunStatus, Side
from integrations_pipeline_tests.sync.arrangement import TABLE
from integrations_pipeline_tests.sync.events import Events
from integrations_pipeline_tests.sync.telling import person_of

KEY_COLUMN = "Contact ID"
TAKEN = "another contact of the workspace has this e-mail"


@dataclass
class BaseEvents(Events):
    """And what they leave to be looked at in the end."""

    #: Records that are copies of others by mistake, and of whom.
    copies: dict[str, str] = field(default_factory=dict)
    copied: set[str] = field(default_factory=set)
    #: Decisions that nothing has touched since: who was to be deleted, and whether that was approved.
    decided: dict[str, bool] = field(default_factory=dict)
    #: Places that the connection was in before, with the records they had then.
    left: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def actions(self) -> dict[Callable[[], Any], int]:
        return {
            self.kill_then_edit: 2, self.kill_then_delete_here: 1, self.kill_then_delete_there: 1,
            self.emails_change_hands: 4, self.place_changes: 1, self.young_delete: 2, self.put_back: 2,
            self.record_is_copied: 1, self.decide: 2, self.decide_in_a_run: 2,
        }  # fmt: skip

    def change_email(self, contact_id: str) -> None:
        side, record_id = self.history.chance.choice(("local", "remote")), self.record_of(contact_id)
        if side == "remote" and record_id:
            self.history.type_in("remote", record_id, "email")
        else:
            self.history.type_in("local", contact_id, "email")

    def record_of(self, contact_id: str) -> str:
        person = person_of(self.history.tenant.local()[contact_id])
        return next((key for key, row in self.history.records().items() if person_of(row) == person), "")

    def is_write(self, request: httpx.Request) -> bool:
        path = request.url.path
        is_record = "/meta/" not in path and not path.endswith("listRecords") and "webhooks" not in path
        return request.method != "GET" and is_record

    def in_order(self, rows: dict[str, dict[str, str]]) -> list[str]:
        found: list[str] = self.history.people(rows)
        return found

    def exchanges(self, side: str) -> list[tuple[str, int]]:
        return [("swap", 2), ("ring", 3), ("ring", 4), ("chain", 3), ("merge", 2)]

    def make_room(self, record_id: str, number: int) -> None:
        """A base takes an e-mail as often as somebody types it."""

    def give(self, side: str, key: str, email: str | None) -> None:
        super().give(side, key, email)
        if self.history.chance.random() < 0.3:
            self.history.type_in(side, key, "company")

    def somebody_young(self) -> str:
        history = self.history
        if history.chance.random() < 0.5:
            return str(history.add_local())
        contact_id = str(history.pick(history.rows("local")))
        history.type_in("local", contact_id, "phone")
        return contact_id

    def decide(self) -> None:
        if not self.held():
            self.delete_and_hold()
        super().decide()

    def delete_and_hold(self) -> None:
        history = self.history
        if history.tenant.settings["delete_policy"] == "hold" and not history.is_at_work:
            history.remove(history.chance.choice(("local", "remote")))
            history.let_the_window_pass()
            history.sync()

    def has_decided(self, item: Any, *, approve: bool) -> None:
        person = self.names()[item.contact_id]
        # Who is deleted on both sides is nobody that a rejection brings back.
        if item.side is Side.REMOTE or item.contact_id in self.history.tenant.local():
            self.decided[person] = approve
        if not approve:
            self.history.deletes.discard(person)

    def is_claimed(self, item: Any) -> bool:
        return item.kind in (AgendaKind.FAILED, AgendaKind.REFUSED) and TAKEN in item.reason

    def solve(self, item: Any) -> None:
        """A record whose e-mail another one has gets its own; who is gone there goes here, too."""
        history, tenant = self.history, self.history.tenant
        if item.reason == SAME_KEY:
            self._take_the_key_from_others()
        elif item.change is ChangeKind.DELETE and item.contact_id in tenant.local() and history.chance.random() < 0.5:
            history.leave("local", item.contact_id)
            history.note("a person deleted the loser of a merge")
        elif item.external_id in tenant.remote():
            history.type_in("remote", item.external_id, "email")
            history.note("a person gave another e-mail there")
        elif item.contact_id in tenant.local():
            history.type_in("local", item.contact_id, "email")
            history.note("a person gave another e-mail here")

    def _take_the_key_from_others(self) -> None:
        """Of records that carry one contact's key only the one that is the person's keeps it."""
        tenant, names = self.history.tenant, self.names()
        airtable = self.history.world.airtable
        for record in airtable.records(tenant.base_id, TABLE):
            key = record["fields"].get(KEY_COLUMN, "")
            if key and names.get(key) != person_of(tenant.remote()[str(record["id"])]):
                airtable.update_record(tenant.base_id, TABLE, record["id"], **{KEY_COLUMN: None})
                self.history.note("a person took a key away")

    # Another place

    def place_changes(self) -> None:
        """Another base, by the settings: with copies of all records, or of most."""
        history, tenant = self.history, self.history.tenant
        if history.bystanders:
            return
        airtable = history.world.airtable
        has_everybody = history.chance.random() < 0.5
        records = airtable.records(tenant.base_id, TABLE)
        kept = [each for each in records if has_everybody or history.chance.random() < 0.7]
        cells = [self._as_mapped(each["fields"]) for each in kept]
        self.left.append((tenant.base_id, {each["id"]: each["fields"] for each in records}))
        base = airtable.create_base(f"Another base {len(self.left)}")
        tenant.table_id = airtable.create_contacts_table(base.id, TABLE, with_contact_id=True).id
        tenant.base_id = base.id
        tenant.present.clear()
        made = airtable.create_records(base.id, TABLE, cells) if cells else []
        history.note("place with everybody" if has_everybody else "place without some")
        self._follow_copies([each["id"] for each in kept], [str(each["id"]) for each in made])
        here = {person_of(row) for row in tenant.remote().values()}
        history.deleted |= {f"p{number}" for number in range(1, history.number + 1)} - here
        # A new place is a first sync: of two values nobody knows which was typed over the other, nor who was deleted.
        history.edits = [each for each in history.edits if not each.is_overtaken]
        history.deletes.clear()
        self.decided.clear()
        tenant.means_its_place = True
        tenant.configure(**tenant.place())

    def _as_mapped(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """What can be written of a record's cells, under the columns' first names."""
        tenant = self.history.tenant
        names = {tenant.present.get(column, column): column for column in (*tenant.columns.values(), KEY_COLUMN)}
        return {names[column]: value for column, value in cells.items() if column in names}

    def _as_present(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """The same under the names that the columns have now."""
        present = self.history.tenant.present
        return {present.get(column, column): value for column, value in self._as_mapped(cells).items()}

    def _follow_copies(self, before: list[str], after: list[str]) -> None:
        moved = dict(zip(before, after, strict=True))
        self.copies = {moved[key]: person for key, person in self.copies.items() if key in moved}

    # Values and records that are there again

    def put_back(self) -> None:
        """A value that was agreed is typed over and then put back as it was; in the end it is on both sides."""
        history, tenant = self.history, self.history.tenant
        agreed = [key for key in history.people(tenant.local()) if key in history.agreed()]
        if not agreed:
            return
        contact_id = history.chance.choice(agreed)
        row = tenant.local()[contact_id]
        first = row.get("company", "")
        if not self._typed(contact_id, history.chance.choice(("local", "remote")), None):
            return
        if history.chance.random() < 0.5:
            history.let_the_window_pass()
        if not self._typed(contact_id, history.chance.choice(("local", "remote")), first):
            return
        history.let_the_window_pass()
        report = history.sync(is_full=history.chance.random() < 0.5)
        if report and report.status is RunStatus.SUCCESS and not report.settling and not history.is_provider_set_back:
            history.note("value was put back")
            sides = (tenant.local()[contact_id], tenant.remote()[tenant.record_of(contact_id)])
            assert [side.get("company", "") for side in sides] == [first, first], history.told

    def _typed(self, contact_id: str, side: str, value: str | None) -> bool:
        """Type into the company and let a run carry it over; whether that went as usual."""
        history, tenant = self.history, self.history.tenant
        key = contact_id if side == "local" else tenant.record_of(contact_id)
        history.type_in(side, key, "company", value)
        report = history.sync(is_full=history.chance.random() < 0.5)
        is_there = contact_id in tenant.local() and tenant.links().get(contact_id) in history.records()
        return bool(report and report.status is RunStatus.SUCCESS and not report.settling and is_there)

    def record_is_copied(self) -> None:
        """Somebody duplicates a row there: it has the e-mail and the contact's key of another."""
        history, tenant = self.history, self.history.tenant
        if history.chance.random() < 0.3 and self.copies:
            self.end_copies()
            return
        airtable = history.world.airtable
        records = {str(each["id"]): each for each in airtable.records(tenant.base_id, TABLE)}
        people = history.people(history.records())
        if people:
            record_id = history.chance.choice(people)
            person = person_of(history.records()[record_id])
            (made,) = airtable.create_records(tenant.base_id, TABLE, [self._as_present(records[record_id]["fields"])])
            self.copies[str(made["id"])] = person
            self.copied.add(person)
            history.deletes.discard(person)
            self.decided.pop(person, None)
            history.note("record with the key of another" if record_id in tenant.links().values() else "early copy")

    def end_copies(self) -> None:
        """Each copy is deleted, or becomes somebody else's record, which keeps the key of the first."""
        history, tenant = self.history, self.history.tenant
        for record_id, person in list(self.copies.items()):
            del self.copies[record_id]
            if record_id not in tenant.remote():
                continue
            others = {person_of(row) for key, row in tenant.remote().items() if key != record_id}
            if person not in others:
                # The record it was made from is gone: this one is the person's now.
                history.note("copy that stayed")
            elif history.chance.random() < 0.5:
                tenant.delete_remote(record_id)
                # If it was the one that is linked, that is a delete.
                history.deleted |= {person} if record_id in tenant.links().values() else set()
                history.note("copy deleted")
            else:
                self._become_somebody(record_id, person)

    def _become_somebody(self, record_id: str, person: str) -> None:
        history, tenant = self.history, self.history.tenant
        if record_id in tenant.links().values():
            history.deleted.add(person)
        tenant.edit_remote(record_id, **history.somebody())
        history.note("copy that became somebody else")

    def is_merged(self, person: str) -> None:
        self.history.deletes.discard(person)

    # Judging

    def judge(self) -> None:
        """Who was deleted on one side, while nobody edited them, is gone, and stays so; what was decided holds; nothing
        was written where the connection is no more."""
        history = self.history
        here = {person_of(row) for row in history.tenant.local().values()}
        for person in sorted(history.deletes - self.copied):
            history.seen["deletes looked for"] += 1
            assert person not in here, (history.told, person, "is back")
        for person in sorted(person for person, is_approved in self.decided.items() if not is_approved):
            history.seen["rejections looked for"] += 1
            assert person in here, (history.told, person, "was to stay")
        for base_id, records in self.left:
            present = {each["id"]: each["fields"] for each in history.world.airtable.records(base_id, TABLE)}
            assert present == records, (history.told, base_id)

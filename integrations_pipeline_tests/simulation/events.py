"""Rarer events of a random history: a death before somebody edits, e-mails that change hands, another place.

Belongs here: making these events, and what must hold at the end because of them. Does not: ordinary edits, runs,
faults and time (`history`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from integrations_pipeline.engine.match import SAME_KEY
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import AgendaKind, ChangeKind, RunStatus, Side
from integrations_pipeline.store import decisions
from integrations_pipeline_tests.simulation.world import WINDOW
from integrations_pipeline_tests.sync.arrangement import TABLE

if TYPE_CHECKING:
    from integrations_pipeline_tests.simulation.history import History

Row = dict[str, str]
#: Seconds after a write of ours at which somebody deletes the record: within the time in which a read may be stale,
#: and beyond.
YOUNG = (0.0, 0.4, 5.0, WINDOW + 5)
KEY_COLUMN = "Contact ID"
TAKEN = "another contact of the workspace has this e-mail"


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


@dataclass(slots=True)
class Events:
    """The rarer events of one history, and what they leave to be looked at in the end."""

    history: "History"
    #: Records that are copies of others by mistake, and of whom.
    copies: dict[str, str] = field(default_factory=dict)
    copied: set[str] = field(default_factory=set)
    #: Decisions that nothing has touched since: who was to be deleted, and whether that was approved.
    decided: dict[str, bool] = field(default_factory=dict)
    #: Places that the connection was in before, with the records they had then.
    left: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def actions(self) -> dict[Callable[[], Any], int]:
        return {
            self.kill_then_edit: 2,
            self.kill_then_delete_here: 1,
            self.kill_then_delete_there: 1,
            self.emails_change_hands: 4,
            self.place_changes: 1,
            self.young_delete: 2,
            self.put_back: 2,
            self.record_is_copied: 1,
            self.decide: 2,
            self.decide_in_a_run: 2,
        }

    # A run dies in a create, and then something happens to the person

    def kill_then_edit(self) -> None:
        """The person has another e-mail when the next run comes."""
        history = self.history
        contact_id = self._killed_in_a_create()
        side = history.chance.choice(("local", "remote"))
        self._type_email(side, contact_id)
        self._perhaps_sync()

    def kill_then_delete_here(self) -> None:
        contact_id = self._killed_in_a_create()
        self.history.delete_local(contact_id)
        self._perhaps_sync()

    def kill_then_delete_there(self) -> None:
        contact_id = self._killed_in_a_create()
        record_id = self._record_of(contact_id)
        if record_id:
            self.history.delete_remote(record_id)
            self.history.note("killed, then deleted there")
        self._perhaps_sync()

    def _killed_in_a_create(self) -> str:
        history = self.history
        contact_id = history.add_local()
        with self._dying_in_a_write():
            history.sync(is_full=history.chance.random() < 0.3)
        if self._record_of(contact_id) and contact_id not in history.tenant.links():
            history.note("killed in a create")
        return contact_id

    @contextmanager
    def _dying_in_a_write(self) -> Iterator[None]:
        """At the first or a later request that writes records, before it leaves or after it was answered."""
        network = self.history.world.network
        left = self.history.chance.choice((1, 1, 2))
        side = self.history.chance.choice(("before", "after", "after"))

        def tick(request: httpx.Request) -> None:
            nonlocal left
            path = request.url.path
            is_write = request.method != "GET" and "/meta/" not in path and not path.endswith("listRecords")
            left -= is_write and "webhooks" not in path
            if left <= 0:
                raise Crash

        setattr(network, side, tick)
        yield
        setattr(network, side, lambda _: None)

    def _record_of(self, contact_id: str) -> str:
        person = name_of(self.history.tenant.local()[contact_id])
        found = [key for key, row in self.history.records().items() if name_of(row) == person]
        return found[0] if found else ""

    def _type_email(self, side: str, contact_id: str) -> None:
        history, tenant = self.history, self.history.tenant
        record_id = self._record_of(contact_id)
        if side == "remote" and record_id:
            row = tenant.remote()[record_id]
            history.type_in("remote", row, "email", lambda **fields: tenant.edit_remote(record_id, **fields))
        else:
            row = tenant.local()[contact_id]
            history.type_in("local", row, "email", lambda **fields: tenant.edit_local(contact_id, **fields))

    def _perhaps_sync(self) -> None:
        chance = self.history.chance
        if chance.random() < 0.6:
            self.history.sync(is_full=chance.random() < 0.4)

    # E-mails go from one to the other

    def emails_change_hands(self) -> None:
        """Two swap, a ring, a chain whose last gets a new one, or one takes that of somebody who is deleted."""
        history = self.history
        chance, tenant = history.chance, history.tenant
        side = chance.choice(("local", "remote"))
        rows = tenant.local() if side == "local" else history.records()
        people = [key for key in people_of(rows) if rows[key].get("email")]
        kind, count = chance.choice((("swap", 2), ("ring", 3), ("ring", 4), ("chain", 3), ("merge", 2)))
        if len(people) < max(count, 4):
            return
        chosen = chance.sample(people, count)
        wanted: dict[str, str | None] = {
            key: rows[other]["email"] for key, other in zip(chosen, [*chosen[1:], chosen[0]], strict=True)
        }
        history.note(f"{kind} of e-mails {side}")
        history.seen[f"e-mails changed hands {side}"] += 1
        if kind == "chain":
            wanted[chosen[-1]] = None
        if kind == "merge":
            (history.delete_local if side == "local" else history.delete_remote)(chosen[1])
            del wanted[chosen[1]]
        if side == "local":
            # The workspace takes no e-mail twice, not even for a moment.
            for key in wanted:
                tenant.edit_local(key, email="")
        for key, email in wanted.items():
            self._give(side, key, rows[key], email)

    def _give(self, side: str, key: str, row: Row, email: str | None) -> None:
        history, tenant = self.history, self.history.tenant
        edit = tenant.edit_local if side == "local" else tenant.edit_remote
        history.type_in(side, row, "email", lambda **fields: edit(key, **fields), email)
        if history.chance.random() < 0.3:
            history.type_in(side, row, "company", lambda **fields: edit(key, **fields))

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
        here = {name_of(row) for row in tenant.remote().values()}
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

    # Deletes

    def young_delete(self) -> None:
        """A record is deleted moments after a write of ours to it, or right after it was made."""
        history, tenant = self.history, self.history.tenant
        people = people_of(tenant.local())
        if len(people) <= 3:
            return
        if history.chance.random() < 0.5:
            contact_id = history.add_local()
        else:
            contact_id = history.chance.choice(people)
            row = tenant.local()[contact_id]
            history.type_in("local", row, "phone", lambda **fields: tenant.edit_local(contact_id, **fields))
        history.sync()
        record_id = tenant.links().get(contact_id)
        if record_id in history.records():
            seconds = history.chance.choice(YOUNG)
            history.world.clock.advance(seconds)
            history.delete_remote(str(record_id))
            history.note("young delete in the window" if seconds < WINDOW else "young delete after the window")
            self._perhaps_sync()

    def decide(self) -> None:
        """A person approves or rejects a delete that is held."""
        held = self._held()
        if not held:
            self._delete_and_hold()
            held = self._held()
        if held:
            self._decide(self.history.chance.choice(held))

    def decide_in_a_run(self) -> None:
        """The same, while a run is under way."""
        if not self._held():
            self._delete_and_hold()
        if self._held():
            hooks = self.history.world.hooks
            moment = self.history.chance.choice(("after_read", "before_recheck", "after_write"))
            setattr(hooks, moment, self.decide)
            self.history.sync(is_full=self.history.chance.random() < 0.3)
            self.history.note("decided during a run" if getattr(hooks, moment) is None else "decision missed the run")
            setattr(hooks, moment, None)

    def _delete_and_hold(self) -> None:
        history = self.history
        if history.tenant.settings["delete_policy"] == "hold" and not history.is_at_work:
            history.chance.choice((history.remove_local, history.remove_remote))()
            history.let_the_window_pass()
            history.sync()

    def _held(self) -> list[Any]:
        items = [each for each in self.history.tenant.agenda.items if each.kind is AgendaKind.HELD_DELETE]
        people = self._names()
        return sorted(
            (each for each in items if each.decision is None), key=lambda each: people.get(each.contact_id or "", "")
        )

    def _names(self) -> dict[str, str]:
        found = self.history.tenant.rows("select id::text, split_part(name, ' ', 1) n from workspace_contacts")
        return {row["id"]: row["n"] for row in found}

    def _decide(self, item: Any) -> None:
        history = self.history
        approve = history.chance.random() < 0.5
        person = self._names()[item.contact_id]
        with history.world.database.workspace(history.tenant.workspace_id) as connection:
            try:
                is_done = decisions.decide_delete(connection, item.id, approve=approve)
            except ConfigurationError:
                history.note("a rejection that was refused")
                return
        assert is_done
        history.note("approved" if approve else "rejected")
        # Who is deleted on both sides is nobody that a rejection brings back.
        if item.side is Side.REMOTE or item.contact_id in history.tenant.local():
            self.decided[person] = approve
        if not approve:
            history.deletes.discard(person)

    def answer_everything(self) -> bool:
        """What the sync asks people for, until nothing is left: held deletes, and e-mails that two claim."""
        held = self._held()
        for item in held:
            self._decide(item)
        items = self.history.tenant.agenda.items
        claimed = [
            each for each in items if each.kind in (AgendaKind.FAILED, AgendaKind.REFUSED) and TAKEN in each.reason
        ]
        doubtful = [each for each in items if each.kind is AgendaKind.AMBIGUOUS]
        for item in (*claimed, *doubtful):
            self._solve(item)
        return bool(held or claimed or doubtful)

    def _solve(self, item: Any) -> None:
        """A record whose e-mail another one has gets its own; who is gone there goes here, too."""
        history, tenant = self.history, self.history.tenant
        if item.reason == SAME_KEY:
            self._take_the_key_from_others()
        elif item.change is ChangeKind.DELETE and item.contact_id in tenant.local() and history.chance.random() < 0.5:
            history.delete_local(item.contact_id)
            history.note("a person deleted the loser of a merge")
        elif item.external_id in tenant.remote():
            row, record_id = tenant.remote()[item.external_id], item.external_id
            history.type_in("remote", row, "email", lambda **fields: tenant.edit_remote(record_id, **fields))
            history.note("a person gave another e-mail there")
        elif item.contact_id in tenant.local():
            row, contact_id = tenant.local()[item.contact_id], item.contact_id
            history.type_in("local", row, "email", lambda **fields: tenant.edit_local(contact_id, **fields))
            history.note("a person gave another e-mail here")

    def _take_the_key_from_others(self) -> None:
        """Of records that carry one contact's key only the one that is the person's keeps it."""
        tenant, names = self.history.tenant, self._names()
        airtable = self.history.world.airtable
        for record in airtable.records(tenant.base_id, TABLE):
            key = record["fields"].get(KEY_COLUMN, "")
            if key and names.get(key) != name_of(tenant.remote()[str(record["id"])]):
                airtable.update_record(tenant.base_id, TABLE, record["id"], **{KEY_COLUMN: None})
                self.history.note("a person took a key away")

    # Values and records that are there again

    def put_back(self) -> None:
        """A value that was agreed is typed over and then put back as it was; in the end it is on both sides."""
        history, tenant = self.history, self.history.tenant
        agreed = [key for key in people_of(tenant.local()) if key in history.agreed()]
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
        row, record_id = tenant.local()[contact_id], tenant.record_of(contact_id)
        if side == "local":
            history.type_in(side, row, "company", lambda **fields: tenant.edit_local(contact_id, **fields), value)
        else:
            history.type_in(side, row, "company", lambda **fields: tenant.edit_remote(record_id, **fields), value)
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
        people = people_of(history.records())
        if people:
            record_id = history.chance.choice(people)
            person = name_of(history.records()[record_id])
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
            others = {name_of(row) for key, row in tenant.remote().items() if key != record_id}
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
        _, fields = history.new_person()
        tenant.edit_remote(record_id, **fields)
        history.note("copy that became somebody else")

    # Judging

    def judge(self) -> None:
        """Who was deleted on one side, while nobody edited them, is gone, and stays so; what was decided holds; nothing
        was written where the connection is no more."""
        history = self.history
        here = {name_of(row) for row in history.tenant.local().values()}
        for person in sorted(history.deletes - self.copied):
            history.seen["deletes looked for"] += 1
            assert person not in here, (history.told, person, "is back")
        for person in sorted(person for person, is_approved in self.decided.items() if not is_approved):
            history.seen["rejections looked for"] += 1
            assert person in here, (history.told, person, "was to stay")
        for base_id, records in self.left:
            present = {each["id"]: each["fields"] for each in history.world.airtable.records(base_id, TABLE)}
            assert present == records, (history.told, base_id)


def name_of(row: Mapping[str, str]) -> str:
    """Who it is: the first word of the name, which no history changes. E-mails go from one to the other."""
    return row.get("name", "").split(" ")[0]


def people_of(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The keys of those whom a history is about, in an order that does not depend on the keys."""
    return sorted(
        (key for key, row in rows.items() if name_of(row).startswith("p")), key=lambda key: name_of(rows[key])
    )

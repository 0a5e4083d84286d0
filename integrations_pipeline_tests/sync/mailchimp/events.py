"""Rarer events of a random history with an audience: deaths before edits, e-mails that change hands, another list.

Belongs here: making these events, and what a person does where the sync asks for one. Does not: ordinary edits, runs,
faults and consent (`history`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import AgendaKind, ChangeKind, RunStatus, Side
from integrations_pipeline.store import decisions
from integrations_pipeline_tests.sync.test_crashes import Crash

if TYPE_CHECKING:
    from integrations_pipeline_tests.sync.mailchimp.history import History

#: Seconds after a write of ours at which somebody archives the member, while a read may be stale and afterwards.
YOUNG = (0.0, 0.4, 5.0, 65.0)
WINDOW = 60.0
_FAILURES = (AgendaKind.FAILED, AgendaKind.REFUSED)


@dataclass(slots=True)
class Events:
    """The rarer events of one history."""

    history: "History"
    #: Rejected deletes that nothing has touched since, by person.
    rejected: set[str] = field(default_factory=set)

    def actions(self) -> dict[Callable[[], Any], int]:
        return {
            self.kill_then_edit: 3, self.kill_then_delete_here: 2, self.kill_then_delete_there: 2,
            self.emails_change_hands: 4, self.place_changes: 1, self.young_delete: 2, self.put_back: 2,
            self.decide: 2, self.decide_in_a_run: 2,
        }  # fmt: skip

    # A run dies in a write

    def kill_then_edit(self) -> None:
        """The person has another e-mail when the next run comes."""
        contact_id = self._killed_in_a_write()
        self.history.type_in("local", contact_id, "email")
        self._perhaps_sync()

    def kill_then_delete_here(self) -> None:
        contact_id = self._killed_in_a_write()
        self._leave_here(contact_id)
        self._perhaps_sync()

    def kill_then_delete_there(self) -> None:
        contact_id = self._killed_in_a_write()
        email = self.history.tenant.local()[contact_id]["email"]
        member = self.history.tenant.by_email(email)
        if member is not None and member.status != "archived":
            self._leave_there(member.contact_id)
            self.history.note("killed, then archived there")
        self._perhaps_sync()

    def _killed_in_a_write(self) -> str:
        """Somebody new in the workspace, whose run dies in one of its writes."""
        history = self.history
        history.add_local()
        (contact_id,) = [
            key for key, row in history.tenant.local().items() if row.get("name") == f"p{history.number} n0"
        ]
        with self._dying_in_a_write():
            history.sync(is_full=history.chance.random() < 0.3)
        is_made = history.tenant.by_email(history.tenant.local()[contact_id]["email"]) is not None
        if is_made and contact_id not in history.tenant.links():
            history.note("killed in a create")
        return contact_id

    @contextmanager
    def _dying_in_a_write(self) -> Iterator[None]:
        network = self.history.world.network
        left = self.history.chance.choice((1, 1, 2))
        side = self.history.chance.choice(("before", "after", "after"))

        def tick(request: httpx.Request) -> None:
            nonlocal left
            left -= request.method != "GET"
            if left <= 0:
                raise Crash

        setattr(network, side, tick)
        yield
        setattr(network, side, lambda _: None)

    def _perhaps_sync(self) -> None:
        chance = self.history.chance
        if chance.random() < 0.6:
            self.history.sync(is_full=chance.random() < 0.4)

    def _leave_here(self, contact_id: str) -> None:
        history = self.history
        history.is_leaving(history.tenant.local()[contact_id])
        history.tenant.delete_local(contact_id)

    def _leave_there(self, record_id: str) -> None:
        history = self.history
        history.is_leaving(history.tenant.remote()[record_id])
        history.tenant.delete_remote(record_id)

    # E-mails go from one to the other

    def emails_change_hands(self) -> None:
        """Two swap, a ring, a chain whose last gets a new one; here, also one who takes that of somebody deleted."""
        history = self.history
        chance, tenant = history.chance, history.tenant
        side = chance.choice(("local", "remote"))
        rows = tenant.local() if side == "local" else self._known_there()
        people = sorted((key for key, row in rows.items() if row.get("email")), key=lambda key: rows[key]["email"])
        kinds = [("swap", 2), ("ring", 3), ("chain", 3), *([("merge", 2)] if side == "local" else [])]
        kind, count = chance.choice(kinds)
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
            self._leave_here(chosen[1])
            del wanted[chosen[1]]
        # Neither side takes an e-mail twice, not even for a moment.
        for number, key in enumerate(wanted):
            if side == "local":
                tenant.edit_local(key, email="")
            else:
                tenant.edit_remote(key, email=f"between{number}.{history.number}.{len(history.log)}@example.org")
        for key, email in wanted.items():
            history.type_in(side, key, "email", email)

    def _known_there(self) -> dict[str, dict[str, str]]:
        """Linked members. One that a killed run made is found by its e-mail alone: until then nobody takes that."""
        linked = set(self.history.tenant.links().values())
        return {key: row for key, row in self.history.tenant.remote().items() if key in linked}

    # Another list

    def place_changes(self) -> None:
        """Another audience, by the settings, with copies of all members or of most. Only e-mails tell who is who there,
        so none of them is on its way then."""
        history, tenant = self.history, self.history.tenant
        chance = history.chance
        history.sync()
        local, remote, links = tenant.local(), tenant.remote(), tenant.links()
        by_email = {row["email"].lower(): key for key, row in remote.items()}
        if {key: by_email.get(row["email"].lower()) for key, row in local.items()} != links or len(remote) != len(
            links
        ):
            return
        has_everybody = chance.random() < 0.5
        rows = tenant.remote()
        kept = [
            key for key in sorted(rows, key=lambda key: rows[key]["email"]) if has_everybody or chance.random() < 0.7
        ]
        statuses = {key: tenant.status(key) for key in kept}
        audience = history.world.mailchimp.create_list(f"Another list {len(history.log)}", extra_fields=("COMPANY",))
        tenant.base_id = audience.id
        for key in kept:
            tenant.add_remote(rows[key], status=statuses[key])
        history.note("place with everybody" if has_everybody else "place without some")
        here = {row.get("name", "").split(" ")[0] for row in tenant.remote().values()}
        history.deleted |= {f"p{number}" for number in range(1, history.number + 1)} - here
        self.rejected.clear()
        tenant.means_its_place = True
        tenant.configure(**tenant.place())
        # Nobody gets another e-mail there before everybody is found again; a run may ask first, or die.
        if chance.random() < 0.5:
            history.crashed_sync()
        history.sync()
        history.sync()

    # Deletes

    def young_delete(self) -> None:
        """A member is archived moments after a write of ours to it, or right after it was made."""
        history, tenant = self.history, self.history.tenant
        rows = tenant.local()
        if len(rows) <= 3:
            return
        contact_id = history.pick(rows) or ""
        if history.chance.random() < 0.5:
            history.add_local()
            contact_id = next(key for key, row in tenant.local().items() if key not in rows)
        elif contact_id:
            history.type_in("local", contact_id, "phone")
        history.sync()
        record_id = tenant.links().get(contact_id or "")
        if record_id in tenant.remote():
            seconds = history.chance.choice(YOUNG)
            history.world.clock.advance(seconds)
            self._leave_there(str(record_id))
            history.note("young delete in the window" if seconds < WINDOW else "young delete after the window")
            self._perhaps_sync()

    def decide(self) -> None:
        """A person approves or rejects a delete that is held."""
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
            is_done = getattr(hooks, moment) is None
            self.history.note("decided during a run" if is_done else "decision missed the run")
            setattr(hooks, moment, None)

    def _delete_and_hold(self) -> None:
        history = self.history
        if history.tenant.settings["delete_policy"] == "hold":
            rows = history.tenant.local()
            if len(rows) > 3 and (contact_id := history.pick(rows)):
                self._leave_here(contact_id)
                history.world.clock.advance(2 * WINDOW)
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
        with history.world.database.workspace(history.tenant.workspace_id) as connection:
            try:
                assert decisions.decide_delete(connection, item.id, approve=approve)
            except ConfigurationError:
                history.note("a rejection that was refused")
                return
        history.note("approved" if approve else "rejected")
        if not approve and (item.side is Side.REMOTE or item.contact_id in history.tenant.local()):
            self.rejected.add(self._names()[item.contact_id])

    def answer_everything(self) -> bool:
        """What the sync asks people for, until nothing is left: held deletes, and e-mails that two claim."""
        history, tenant = self.history, self.history.tenant
        held = self._held()
        for item in held:
            self._decide(item)
        items = tenant.agenda.items
        claimed = [each for each in items if each.kind in _FAILURES and _is_about_email(each)]
        doubtful = [each for each in items if each.kind is AgendaKind.AMBIGUOUS]
        for item in (*claimed, *doubtful):
            record_id = item.external_id or ""
            is_there = record_id in tenant.remote()
            if item.change is ChangeKind.DELETE and item.contact_id in tenant.local():
                self._leave_here(item.contact_id)
            elif item.contact_id in tenant.local():
                history.type_in("local", item.contact_id, "email")
            elif is_there:
                history.type_in("remote", record_id, "email")
            history.note("a person gave another e-mail")
        return bool(held or claimed or doubtful)

    # Values that are there again

    def put_back(self) -> None:
        """A value is typed over and then put back as it was; in the end it is on both sides."""
        history, tenant = self.history, self.history.tenant
        local, remote, links = tenant.local(), tenant.remote(), tenant.links()
        same = {
            key: row
            for key, row in local.items()
            if links.get(key) in remote and remote[links[key]].get("company") == row.get("company")
        }
        contact_id = history.pick(same)
        if not contact_id:
            return
        first = same[contact_id].get("company", "")
        for value in (None, first):
            side = history.chance.choice(("local", "remote"))
            key = contact_id if side == "local" else tenant.links()[contact_id]
            history.type_in(side, key, "company", value)
            report = history.sync(is_full=history.chance.random() < 0.5)
            is_there = contact_id in tenant.local() and tenant.links().get(contact_id) in tenant.remote()
            if not (report and report.status is RunStatus.SUCCESS and is_there):
                return
            history.world.clock.advance(2 * WINDOW)
        report = history.sync(is_full=history.chance.random() < 0.5)
        if report and report.status is RunStatus.SUCCESS:
            history.note("value was put back")
            sides = (tenant.local()[contact_id], tenant.remote()[tenant.record_of(contact_id)])
            assert [each.get("company", "") for each in sides] == [first, first], history.told


def _is_about_email(item: Any) -> bool:
    """Whether an e-mail could not be changed; who is archived has its own answer (`History`)."""
    return item.change is ChangeKind.UPDATE and "email" in item.after

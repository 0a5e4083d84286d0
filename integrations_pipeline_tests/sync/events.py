"""Rarer events of a random history: a death before somebody edits, e-mails that change hands, young deletes, decisions.

Belongs here: what of them is the same with all providers. Does not: another place and what a provider has of its own
(each `events`), ordinary edits and runs (`telling`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import AgendaKind
from integrations_pipeline.store import decisions
from integrations_pipeline_tests.sync.crashes import Crash
from integrations_pipeline_tests.sync.telling import MOMENTS, WINDOW, person_of

#: Seconds after a write of ours at which somebody deletes the record, while a read may be stale and afterwards.
YOUNG = (0.0, 0.4, 5.0, WINDOW + 5)


@dataclass
class Events:
    """The rarer events of one history."""

    history: Any

    def actions(self) -> dict[Callable[[], Any], int]:
        """What may happen, and how often."""
        raise NotImplementedError

    # A run dies in a write

    def kill_then_edit(self) -> None:
        """The person has another e-mail when the next run comes."""
        contact_id = self._killed_in_a_write()
        self.change_email(contact_id)
        self.perhaps_sync()

    def kill_then_delete_here(self) -> None:
        contact_id = self._killed_in_a_write()
        self.history.leave("local", contact_id)
        self.perhaps_sync()

    def kill_then_delete_there(self) -> None:
        contact_id = self._killed_in_a_write()
        if record_id := self.record_of(contact_id):
            self.history.leave("remote", record_id)
            self.history.note("killed, then deleted there")
        self.perhaps_sync()

    def change_email(self, contact_id: str) -> None:
        self.history.type_in("local", contact_id, "email")

    def record_of(self, contact_id: str) -> str:
        """What was made at the provider of a contact that is not linked yet; "" for nothing."""
        raise NotImplementedError

    def is_write(self, request: httpx.Request) -> bool:
        return request.method != "GET"

    def _killed_in_a_write(self) -> str:
        """Somebody new in the workspace, whose run dies in one of its writes."""
        history = self.history
        contact_id = str(history.add_local())
        with self._dying_in_a_write():
            history.sync(is_full=history.chance.random() < 0.3)
        if self.record_of(contact_id) and contact_id not in history.tenant.links():
            history.note("killed in a create")
        return contact_id

    @contextmanager
    def _dying_in_a_write(self) -> Iterator[None]:
        """At the first or a later request that writes, before it leaves or after it was answered."""
        network = self.history.world.network
        left = self.history.chance.choice((1, 1, 2))
        side = self.history.chance.choice(("before", "after", "after"))

        def tick(request: httpx.Request) -> None:
            nonlocal left
            left -= self.is_write(request)
            if left <= 0:
                raise Crash

        setattr(network, side, tick)
        yield
        setattr(network, side, lambda _: None)

    def perhaps_sync(self) -> None:
        chance = self.history.chance
        if chance.random() < 0.6:
            self.history.sync(is_full=chance.random() < 0.4)

    # E-mails go from one to the other

    def emails_change_hands(self) -> None:
        """Two swap, a ring, a chain whose last gets a new one, or one takes that of somebody who is deleted."""
        history = self.history
        chance = history.chance
        side = chance.choice(("local", "remote"))
        rows = self.known(side)
        people = self.in_order({key: row for key, row in rows.items() if row.get("email")})
        kind, count = chance.choice(self.exchanges(side))
        if len(people) < max(count, 4):
            return
        chosen = chance.sample(people, count)
        wanted: dict[str, str | None] = {
            key: rows[other]["email"] for key, other in zip(chosen, [*chosen[1:], chosen[0]], strict=True)
        }
        # In a place where no run has been, e-mails are all that tells who is who.
        if side == "remote" and history.place_known != history.tenant.base_id:
            return
        history.note(f"{kind} of e-mails {side}")
        history.seen[f"e-mails changed hands {side}"] += 1
        if kind == "chain":
            wanted[chosen[-1]] = None
        if kind == "merge":
            history.leave(side, chosen[1])
            self.is_merged(person_of(rows[chosen[1]]))
            del wanted[chosen[1]]
        # The workspace takes no e-mail twice, not even for a moment.
        for number, key in enumerate(wanted):
            if side == "local":
                history.tenant.edit_local(key, email="")
            else:
                self.make_room(key, number)
        for key, email in wanted.items():
            self.give(side, key, email)

    def is_merged(self, person: str) -> None:
        """Somebody else has their address now: whoever goes by addresses takes what is left of one for the other."""

    def known(self, side: str) -> dict[str, dict[str, str]]:
        """Who may take another's e-mail."""
        found: dict[str, dict[str, str]] = self.history.rows(side)
        return found

    def in_order(self, rows: dict[str, dict[str, str]]) -> list[str]:
        return sorted(rows, key=lambda key: rows[key]["email"])

    def exchanges(self, side: str) -> list[tuple[str, int]]:
        """Kinds of exchanges, and of how many people."""
        return [("swap", 2), ("ring", 3), ("chain", 3), *([("merge", 2)] if side == "local" else [])]

    def make_room(self, record_id: str, number: int) -> None:
        """A provider that takes no e-mail twice gets one for in between."""
        history = self.history
        email = f"between{number}.{history.number}.{len(history.log)}@example.org"
        history.tenant.edit_remote(record_id, email=email)

    def give(self, side: str, key: str, email: str | None) -> None:
        self.history.type_in(side, key, "email", email)

    # Deletes

    def young_delete(self) -> None:
        """A record is deleted moments after a write of ours to it, or right after it was made."""
        history = self.history
        if len(history.people(history.rows("local"))) <= 3:
            return
        contact_id = self.somebody_young()
        history.sync()
        record_id = history.tenant.links().get(contact_id)
        if record_id in history.rows("remote"):
            seconds = history.chance.choice(YOUNG)
            history.world.clock.advance(seconds)
            history.leave("remote", str(record_id))
            history.note("young delete in the window" if seconds < WINDOW else "young delete after the window")
            self.perhaps_sync()

    def somebody_young(self) -> str:
        """Who is written to there by the next run."""
        history = self.history
        contact_id = history.pick(history.rows("local"))
        if history.chance.random() < 0.5:
            return str(history.add_local())
        history.type_in("local", contact_id, "phone")
        return str(contact_id)

    def decide(self) -> None:
        """A person approves or rejects a delete that is held."""
        if held := self.held():
            self._decide(self.history.chance.choice(held))

    def decide_in_a_run(self) -> None:
        """The same, while a run is under way."""
        history = self.history
        if not self.held():
            self.delete_and_hold()
        if self.held():
            moment = history.chance.choice(MOMENTS)
            is_done = history.sync_with(moment, self.decide, is_full=history.chance.random() < 0.3)
            history.note("decided during a run" if is_done else "decision missed the run")

    def delete_and_hold(self) -> None:
        history = self.history
        if history.tenant.settings["delete_policy"] == "hold":
            rows = history.rows("local")
            if len(rows) > 3 and (contact_id := history.pick(rows)):
                history.leave("local", contact_id)
                history.let_the_window_pass()
                history.sync()

    def held(self) -> list[Any]:
        items = [each for each in self.history.tenant.agenda.items if each.kind is AgendaKind.HELD_DELETE]
        people = self.names()
        return sorted(
            (each for each in items if each.decision is None), key=lambda each: people.get(each.contact_id or "", "")
        )

    def names(self) -> dict[str, str]:
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
        self.has_decided(item, approve=approve)

    def has_decided(self, item: Any, *, approve: bool) -> None:
        """What must hold from then on."""

    def answer_everything(self) -> bool:
        """What the sync asks people for, until nothing is left: held deletes, and e-mails that two claim."""
        held = self.held()
        for item in held:
            self._decide(item)
        items = self.history.tenant.agenda.items
        claimed = [each for each in items if self.is_claimed(each)]
        doubtful = [each for each in items if each.kind is AgendaKind.AMBIGUOUS]
        for item in (*claimed, *doubtful):
            self.solve(item)
        return bool(held or claimed or doubtful)

    def is_claimed(self, item: Any) -> bool:
        """Whether an e-mail could not be changed because somebody else has it."""
        raise NotImplementedError

    def solve(self, item: Any) -> None:
        raise NotImplementedError

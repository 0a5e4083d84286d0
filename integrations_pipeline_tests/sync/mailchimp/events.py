"""Rarer events of a random history with an audience: another list, and values that are put back.

Belongs here: these, and what a person does where the sync asks for one. Does not: what is the same with all providers
(`sync.events`), ordinary edits, runs, faults and consent (`history`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations_pipeline.model import AgendaKind, ChangeKind, RunStatus, Side
from integrations_pipeline_tests.sync.events import Events
from integrations_pipeline_tests.sync.telling import WINDOW

_FAILURES = (AgendaKind.FAILED, AgendaKind.REFUSED)


@dataclass
class AudienceEvents(Events):
    #: Rejected deletes that nothing has touched since, by person.
    rejected: set[str] = field(default_factory=set)

    def actions(self) -> dict[Callable[[], Any], int]:
        return {
            self.kill_then_edit: 3, self.kill_then_delete_here: 2, self.kill_then_delete_there: 2,
            self.emails_change_hands: 4, self.place_changes: 1, self.young_delete: 2, self.put_back: 2,
            self.decide: 2, self.decide_in_a_run: 2,
        }  # fmt: skip

    def record_of(self, contact_id: str) -> str:
        email = self.history.tenant.local()[contact_id]["email"]
        return next((key for key, row in self.history.tenant.remote().items() if row["email"] == email), "")

    def known(self, side: str) -> dict[str, dict[str, str]]:
        """Linked members. One that a killed run made is found by its e-mail alone: until then nobody takes that."""
        linked = set(self.history.tenant.links().values())
        rows = super().known(side)
        return rows if side == "local" else {key: row for key, row in rows.items() if key in linked}

    def has_decided(self, item: Any, *, approve: bool) -> None:
        if not approve and (item.side is Side.REMOTE or item.contact_id in self.history.tenant.local()):
            self.rejected.add(self.names()[item.contact_id])

    def is_claimed(self, item: Any) -> bool:
        """Who is archived has an answer of its own (`History`)."""
        is_about_email = item.change is ChangeKind.UPDATE and "email" in item.after
        return item.kind in _FAILURES and is_about_email

    def solve(self, item: Any) -> None:
        history, tenant = self.history, self.history.tenant
        if item.change is ChangeKind.DELETE and item.contact_id in tenant.local():
            history.leave("local", item.contact_id)
        elif item.contact_id in tenant.local():
            history.type_in("local", item.contact_id, "email")
        elif item.external_id in tenant.remote():
            history.type_in("remote", item.external_id, "email")
        history.note("a person gave another e-mail")

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

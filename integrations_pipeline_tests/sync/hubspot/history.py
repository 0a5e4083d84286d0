"""Random histories of one workspace and its HubSpot account: edits on both sides, runs, faults, crashes, lag, time.

Belongs here: what is an account's own. Does not: telling and judging as such (`telling`), how many (`test_histories`).
"""

from collections.abc import Callable
from typing import Any

from integrations_pipeline.model import AgendaKind, ChangeKind
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.sync.arrangement import Value
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld, Portals
from integrations_pipeline_tests.sync.telling import WINDOW, Telling, person_of, told

_FAILURES = (AgendaKind.FAILED, AgendaKind.REFUSED)
FAULTS: tuple[tuple[Any, dict[str, Any]], ...] = (
    ("drop_before", {}),
    ("drop_after", {}),
    ("drop_after", {"path_regex": "batch/(create|update|archive)"}),
    ("status", {"status": 502}),
    ("status", {"status": 403}),
    ("status_after", {"status": 500, "method": "POST"}),
    ("rate_limit", {}),
    ("billing_limit", {}),
    ("truncate_page", {}),
    ("empty_page", {}),
    ("reorder", {}),
    ("leave_out", {}),
)


class History(Telling):
    world: HubSpotWorld
    tenant: Portals

    FIELDS = ("name", "phone", "company", "job_title")
    SHARED = (*FIELDS, "email")
    FAULTS = FAULTS
    MOST_SKIPPED = 5
    MOST_POINTS = 45
    STEPS = 22

    def actions(self) -> dict[Callable[[], Any], int]:
        return {
            self.edit_local: 8, self.edit_remote: 8, self.edit_both: 3, self.email_local: 3, self.email_remote: 3,
            self.add_local: 3, self.add_remote: 3, self.delete_local: 2, self.delete_remote: 2, self.restore: 1,
            self.merge: 1, self.opt_out_local: 1, self.opt_out_remote: 1, self.opt_in_remote: 1,
            self.plain_sync: 6, self.full_sync: 2, self.faulty_sync: 5, self.crashed_sync: 5, self.raced_sync: 5,
        }  # fmt: skip

    def somebody(self) -> dict[str, Value]:
        return self.plain_person(is_in_capitals=False)

    def email_remote(self) -> None:
        """Of somebody who is linked: a contact whose create was never answered is known by its e-mail alone, and with
        another one it is somebody else's (docs/providers/hubspot.md)."""
        linked = set(self.tenant.links().values())
        if key := self.pick({key: row for key, row in self.tenant.remote().items() if key in linked}):
            self.type_in("remote", key, "email")

    def restore(self) -> None:
        """Somebody who is in the archive, and nowhere else there."""
        there = {person_of(row) for row in self.tenant.remote().values()}
        contacts = self.tenant.portal.contacts.values()
        found = [each for each in contacts if each.archived_at and each.properties.get("firstname") not in there]
        if found:
            chosen = self.chance.choice(found)
            if self.tenant.portal.by_email(chosen.email) is None:
                self.world.hubspot.restore(self.tenant.portal_id, chosen.id)

    def merge(self) -> None:
        rows = self.tenant.remote()
        if len(rows) > 4:
            one, other = self.chance.sample(sorted(rows), 2)
            self.deleted |= {person_of(rows[one]), person_of(rows[other])}
            self.world.hubspot.merge(self.tenant.portal_id, one, other)

    def opt_out_remote(self) -> None:
        if key := self.pick(self.tenant.remote()):
            self.tenant.opt_out_remote(key)

    def opt_in_remote(self) -> None:
        out = sorted(self.tenant.portal.opted_out)
        if out:
            self.world.hubspot.opt_in(self.tenant.portal_id, self.chance.choice(out))

    def deeds(self) -> tuple[Callable[[], None], ...]:
        return (self.edit_local, self.edit_remote, self.email_remote, self.opt_out_remote)

    def quiet_run(self, number: int) -> tuple[bool, SyncReport | None]:
        """One of them reads everything, and the first may still bring something."""
        has_decided = self.answer_everything()
        return has_decided or number == 0, self.sync(is_full=number == 1)

    def answer_everything(self) -> bool:
        """Who was merged into somebody there while edited here cannot be made again: the e-mail is the other's now."""
        items = self.tenant.agenda.items
        local = self.tenant.local()
        taken = [each for each in items if each.kind in _FAILURES and each.change is ChangeKind.CREATE]
        chosen = [item.contact_id for item in taken if item.contact_id in local]
        for contact_id in chosen:
            self.leave("local", contact_id)
            self.note("a person deleted the loser of a merge")
        return bool(chosen)

    def judge(self) -> None:
        super().judge()
        for contact_id, record_id in self.tenant.links().items():
            email = self.tenant.remote()[record_id]["email"]
            assert self.tenant.is_out(contact_id) == (email in self.tenant.portal.opted_out), self.told


def tell(world: HubSpotWorld, seed: int) -> Any:
    """One history, judged. The options that stand for what is not documented follow the seed."""
    world.interval = 0.0
    world.propagation_seconds = WINDOW if seed % 2 else 0.0
    world.max_concurrency = 1
    world.options(
        multi_status=seed % 3 != 0,
        tells_missing=seed % 2 == 0,
        merge_makes_new_id=seed % 4 != 0,
        moves_unchanged=seed % 5 != 0,
        index_lag_seconds=20.0 if seed % 3 == 1 else 0.0,
        search_page=4 if seed % 4 == 1 else 200,
    )
    return told(History(seed, world, world.tenant(f"s{seed}", **NO_LIMIT)))

"""Random histories of one workspace and its audience: edits on both sides, runs, faults, crashes, lag, time.

Belongs here: what is an audience's own. Does not: telling and judging as such (`telling`), rarer events (`events`), how
many (`test_histories`), consent in depth (`test_consent_histories`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers
from integrations_pipeline_tests.sync.mailchimp.events import AudienceEvents
from integrations_pipeline_tests.sync.mailchimp.lag import Lag
from integrations_pipeline_tests.sync.telling import WINDOW, Telling, person_of, told
from integrations_sandbox.mailchimp.model import Member

FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_before", {}),
    ("drop_after", {}),
    ("drop_after", {"method": "POST"}),
    ("drop_after", {"method": "PATCH"}),
    ("status", {"status": 502}),
    ("status", {"status": 403}),
    ("status_after", {"status": 500}),
    ("rate_limit", {}),
    ("truncate_page", {}),
    ("empty_page", {}),
)


class History(Telling):
    world: MailchimpWorld
    tenant: Subscribers

    FAULTS = FAULTS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events = AudienceEvents(self)

    def actions(self) -> dict[Callable[[], Any], int]:
        return {
            self.edit_local: 8, self.edit_remote: 8, self.edit_both: 3, self.tag_local: 4, self.tag_remote: 4,
            self.email_local: 3, self.email_remote: 2, self.add_local: 3, self.add_remote: 3,
            self.delete_local: 2, self.delete_remote: 2, self.unarchive: 1,
            self.opt_out_local: 1, self.unsubscribe: 2, self.opt_in: 1,
            self.plain_sync: 6, self.full_sync: 2, self.faulty_sync: 4, self.crashed_sync: 4,
            self.raced_sync: 6, self.lagging_syncs: 2,
            **self.events.actions(),
        }  # fmt: skip

    def add_remote(self) -> None:
        status = self.chance.choice(("subscribed", "subscribed", "transactional"))
        self.tenant.add_remote(self.somebody(), status=status)

    def is_leaving(self, person: str, side: str, key: str) -> None:
        super().is_leaving(person, side, key)
        self.events.rejected.discard(person)

    def unarchive(self) -> None:
        members = self.tenant.audience.members.values()
        # Whose e-mail lives on in another member was moved there; nobody takes the old one out again.
        found = sorted(each.contact_id for each in members if each.status == "archived" and self._is_last(each))
        if found:
            self.world.mailchimp.unarchive(self.tenant.list_id, self.chance.choice(found))

    def _is_last(self, member: Any) -> bool:
        first = member.values.get("FNAME")
        return not any(
            each.values.get("FNAME") == first and each is not member for each in self.tenant.audience.members.values()
        )

    def unsubscribe(self) -> None:
        if key := self.pick(self.tenant.remote()):
            self.tenant.unsubscribe(key, by=self.chance.choice(("person", "admin")))

    def opt_in(self) -> None:
        if key := self.pick(self.tenant.remote()):
            self.tenant.opt_in(key)

    def deeds(self) -> tuple[Callable[[], None], ...]:
        return (self.edit_local, self.edit_remote, self.tag_remote, self.email_remote, self.unsubscribe)

    def lagging_syncs(self) -> None:
        """Reads answer as it was before our own writes, for longer than a run takes.

        A member whose lasting id no read tells yet is linked by the next run, by its e-mail: until then nobody
        changes that, or it would be somebody else's.
        """
        self.sync()
        lag = Lag(self.tenant)
        with lag.behind():
            self.edit_local()
            self.add_local()
            for _ in range(2):
                self.sync(is_full=self.chance.random() < 0.5)
                self.world.clock.advance(self.chance.uniform(0, WINDOW / 4))
        self.seen["stale answers"] += lag.stale_reads
        self.sync()

    # The end

    def quiet_run(self, number: int) -> tuple[bool, SyncReport | None]:
        self.bring_back()
        return super().quiet_run(number)

    def answer_everything(self) -> bool:
        return self.events.answer_everything()

    def bring_back(self) -> None:
        """What the sync asks people for: members whose contacts were edited are taken out of the archive."""
        for row in self.tenant.journal("failed"):
            if "archived" in row["reason"] and row["kind"] == "create":
                members = self.tenant.audience.members
                # By its id: the contact may have another e-mail by now.
                member = members.get(row["external_id"]) or self.tenant.by_email(row["after"]["email"])
                assert member is not None, self.told
                if self._is_of(member, row):
                    self.seen["brought back"] += 1
                    self.world.mailchimp.unarchive(self.tenant.list_id, member.contact_id)
                elif row["contact_id"] in self.tenant.local():
                    # Somebody who moved on left it there: whoever wants that e-mail takes another one.
                    self.type_in("local", row["contact_id"], "email")

    @staticmethod
    def _is_of(member: Member, row: Mapping[str, Any]) -> bool:
        """Whether the archived member is of the contact that a row of the journal is about."""
        return str(member.values.get("FNAME", "")).split(" ")[0] == person_of(row["after"])

    def judge(self) -> None:
        super().judge()
        here = {person_of(row) for row in self.tenant.local().values()}
        assert self.events.rejected <= here, (self.told, self.events.rejected - here, "were to stay")
        self.judge_consent()

    def judge_consent(self) -> None:
        for contact_id, record_id in self.tenant.links().items():
            is_out = self.tenant.is_out(contact_id)
            assert not (is_out and self.tenant.status(record_id) == "subscribed"), self.told
            assert is_out or self.tenant.status(record_id) != "unsubscribed", self.told


def tell(world: MailchimpWorld, seed: int) -> Any:
    """One history, judged. The options that stand for what is not documented follow the seed."""
    world.interval = 0.0
    world.propagation_seconds = WINDOW
    world.max_concurrency = 1
    world.options(
        bulk_tells_contact_id=seed % 3 == 0,
        status_if_new_restores_archived=seed % 2 == 0,
        only_subscribed_change_email=seed % 5 != 0,
        shuffle_ties=seed % 4 == 0,
    )
    # In every fourth a person decides about deletes; in every sixth everything is read after each step.
    settings = NO_LIMIT | ({"delete_policy": "hold"} if seed % 4 == 2 else {})
    return told(History(seed, world, world.tenant(f"s{seed}", **settings), is_reading_everything=seed % 6 == 4))

"""Random histories of one workspace and a Google account; with the rarer events of an audience, without consent.

Besides what happens there: contacts are joined with profiles and get other names, people type second phones, lists lag,
and edits land right before a write. Belongs here: what is another with Google. Does not: telling and judging as such
(`telling`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.google_contacts.arrangement import AddressBook, ContactsWorld
from integrations_pipeline_tests.sync.mailchimp.events import AudienceEvents
from integrations_pipeline_tests.sync.telling import WINDOW, Row, Telling, person_of, told

#: Until nobody doubts any more whether a create of a run that died was made.
UNTIL_CERTAIN = 660.0
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_before", {}),
    ("drop_after", {}),
    ("drop_after", {"method": "POST"}),
    ("drop_after", {"path_regex": "batchUpdate"}),
    ("status", {"status": 502}),
    ("status_after", {"status": 500}),
    ("rate_limit", {}),
    ("truncate_page", {}),
    ("empty_page", {}),
    ("blank_values", {}),
)


class AccountEvents(AudienceEvents):
    def record_of(self, contact_id: str) -> str:
        tenant = self.history.tenant
        return tenant.by_email(tenant.local()[contact_id]["email"]) or ""


@dataclass
class ContactsHistory(Telling):
    world: ContactsWorld
    tenant: AddressBook
    #: Second phones that people typed, by person.
    second_phones: dict[str, str] = field(default_factory=dict)

    FAULTS = FAULTS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events = AccountEvents(self)

    def actions(self) -> dict[Callable[[], Any], int]:
        events = self.events
        return {
            self.edit_local: 8, self.edit_remote: 8, self.edit_both: 3, self.tag_local: 4, self.tag_remote: 4,
            self.email_local: 3, self.email_remote: 2, self.add_local: 3, self.add_remote: 3,
            self.delete_local: 2, self.delete_remote: 2, self.join_profile: 3, self.type_second_phone: 3,
            self.plain_sync: 6, self.full_sync: 2, self.faulty_sync: 4, self.crashed_sync: 4,
            self.raced_sync: 6, self.lagging_syncs: 3, self.forget_tokens: 1,
            events.kill_then_edit: 2, events.kill_then_delete_here: 1, events.emails_change_hands: 3,
            events.young_delete: 2, events.put_back: 2, events.decide: 1,
        }  # fmt: skip

    def is_leaving(self, person: str, side: str, key: str) -> None:
        super().is_leaving(person, side, key)
        self.events.rejected.discard(person)

    def join_profile(self) -> None:
        if key := self.pick(self.tenant.remote()):
            self.world.people.join_profile(self.tenant.account, key)

    def type_second_phone(self) -> None:
        rows = self.tenant.remote()
        key = self.pick({key: row for key, row in rows.items() if row.get("phone")})
        if key:
            who = person_of(rows[key])
            self.second_phones[who] = f"+{len(self.log)} of {who}"
            phones = [*self.tenant.person(key)["phoneNumbers"][:1], {"value": self.second_phones[who], "type": "home"}]
            self.world.people.edit_person(self.tenant.account, key, {"phoneNumbers": phones})

    def forget_tokens(self) -> None:
        self.world.people.expire_sync_tokens(self.tenant.account)

    def raced_sync(self) -> None:
        """Somebody edits while the run is under way; also right before a write, for the etag guards that."""
        moment = self.chance.choice(("after_read", "before_recheck", "before_write", "after_write"))
        deeds = (self.edit_local, self.edit_remote, self.tag_remote, self.email_remote, self.join_profile)
        self.race(moment, self.chance.choice(deeds))

    def lagging_syncs(self) -> None:
        """Lists answer as it was before our own writes, for longer than a run takes."""
        self.sync()
        self.world.options(sync_lag_seconds=WINDOW * 0.8)
        self.edit_local()
        self.add_local()
        for _ in range(2):
            self.sync(is_full=self.chance.random() < 0.5)
            self.world.clock.advance(self.chance.uniform(0, WINDOW / 4))
        self.world.clock.advance(WINDOW)
        self.world.options(sync_lag_seconds=0.0)
        self.sync()

    def quiet_run(self, number: int) -> tuple[bool, SyncReport | None]:
        """Whoever could not tell what was made can by now."""
        self.world.clock.advance(UNTIL_CERTAIN)
        return super().quiet_run(number)

    def answer_everything(self) -> bool:
        return self.events.answer_everything()

    def reconcile(self) -> SyncReport:
        self.world.clock.advance(UNTIL_CERTAIN)
        return super().reconcile()

    def unique(self, rows: Mapping[str, Row]) -> list[list[str]]:
        """Google takes an e-mail as often as somebody types it."""
        return super().unique(rows)[1:]

    def judge(self) -> None:
        super().judge()
        self._judge_second_phones()

    def _judge_second_phones(self) -> None:
        for key, row in self.tenant.remote().items():
            wanted = self.second_phones.get(person_of(row))
            if wanted and person_of(row) not in self.deleted:
                self.seen["second phones looked for"] += 1
                held = [each["value"] for each in self.tenant.person(key).get("phoneNumbers", [])]
                assert wanted in held, (self.told, wanted, held)


def tell(world: ContactsWorld, seed: int) -> Any:
    """One history, judged. The options that stand for what is not documented follow the seed."""
    world.interval = 0.0
    world.propagation_seconds = WINDOW
    world.options(takes_list_etags=seed % 2 == 0, expired_status=400 if seed % 3 else 410, lists_lag=seed % 4 != 1)
    settings = NO_LIMIT | ({"delete_policy": "hold"} if seed % 4 == 2 else {})
    return told(ContactsHistory(seed, world, world.tenant(f"s{seed}", **settings), is_reading_everything=seed % 6 == 4))

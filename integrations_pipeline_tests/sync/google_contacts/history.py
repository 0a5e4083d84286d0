"""Random histories of one workspace and a Google account, told as those of an audience are, without consent.

Besides what happens there: contacts are joined with profiles and get other names, people type second phones, lists lag,
and edits land right before a write. Belongs here: what is another with Google. Does not: telling and judging as such
(`mailchimp.history`).
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations_pipeline_tests.sync.google_contacts.arrangement import NO_LIMIT, AddressBook, ContactsWorld
from integrations_pipeline_tests.sync.mailchimp.history import WINDOW, History, person_of

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


@dataclass(slots=True)
class ContactsHistory(History):
    world: ContactsWorld  # type: ignore[assignment]  # another world, with the same words
    tenant: AddressBook  # type: ignore[assignment]
    #: Second phones that people typed, by person.
    second_phones: dict[str, str] = field(default_factory=dict)

    def _actions(self) -> dict[Callable[[], Any], int]:
        events = self.events
        return {
            self._edit_local: 8, self._edit_remote: 8, self._edit_both: 3, self._tag_local: 4, self._tag_remote: 4,
            self._email_local: 3, self._email_remote: 2, self.add_local: 3, self.add_remote: 3,
            self._delete_local: 2, self._delete_remote: 2, self._join_profile: 3, self._type_second_phone: 3,
            self._plain_sync: 6, self._full_sync: 2, self._faulty_sync: 4, self.crashed_sync: 4,
            self._raced_sync: 6, self._lagging_syncs: 3, self._forget_tokens: 1,
            events.kill_then_edit: 2, events.kill_then_delete_here: 1, events.emails_change_hands: 3,
            events.young_delete: 2, events.put_back: 2, events.decide: 1,
        }  # fmt: skip

    def add_remote(self) -> None:
        self.tenant.add_remote(self._somebody())

    def _join_profile(self) -> None:
        if key := self.pick(self.tenant.remote()):
            self.world.people.join_profile(self.tenant.account, key)

    def _type_second_phone(self) -> None:
        rows = self.tenant.remote()
        key = self.pick({key: row for key, row in rows.items() if row.get("phone")})
        if key:
            who = person_of(rows[key])
            self.second_phones[who] = f"+{len(self.log)} of {who}"
            phones = [*self.tenant.person(key)["phoneNumbers"][:1], {"value": self.second_phones[who], "type": "home"}]
            self.world.people.edit_person(self.tenant.account, key, {"phoneNumbers": phones})

    def _forget_tokens(self) -> None:
        self.world.people.expire_sync_tokens(self.tenant.account)

    def _faulty_sync(self) -> None:
        action, rule = self.chance.choice(FAULTS)
        self.note(f"fault {action} {rule.get('status', '')}".strip())
        self.world.fault(action, times=self.chance.randint(1, 2), skip=self.chance.randint(0, 6), **rule)
        self.sync(is_full=self.chance.random() < 0.4)
        self.world.people.clear_faults()

    def _raced_sync(self) -> None:
        """Somebody edits while the run is under way; also right before a write, for the etag guards that."""
        deeds = (self._edit_local, self._edit_remote, self._tag_remote, self._email_remote, self._join_profile)
        moment = self.chance.choice(("after_read", "before_recheck", "before_write", "after_write"))
        setattr(self.world.hooks, moment, self.chance.choice(deeds))
        self.sync()
        self.note("edit during a run" if getattr(self.world.hooks, moment) is None else "edit missed the run")
        setattr(self.world.hooks, moment, None)

    def _lagging_syncs(self) -> None:
        """Lists answer as it was before our own writes, for longer than a run takes."""
        self.sync()
        self.world.options(sync_lag_seconds=WINDOW * 0.8)
        self._edit_local()
        self.add_local()
        for _ in range(2):
            self.sync(is_full=self.chance.random() < 0.5)
            self.world.clock.advance(self.chance.uniform(0, WINDOW / 4))
        self.world.clock.advance(WINDOW)
        self.world.options(sync_lag_seconds=0.0)
        self.sync()

    def _bring_back(self) -> None:
        """Whoever could not tell what was made can by now."""
        self.world.clock.advance(UNTIL_CERTAIN)

    def judge(self) -> None:
        """Everything that must hold after the last quiet run; a full comparison finds nothing either."""
        self.world.clock.advance(UNTIL_CERTAIN)
        full = self.sync(is_full=True)
        assert full is not None
        assert not full.plan.changes, (self.told, full.plan.changes)
        self.tenant.assert_in_sync()
        for rows in (self.tenant.local(), self.tenant.remote()):
            people = [person_of(row) for row in rows.values()]
            assert len(people) == len(set(people)), (self.told, Counter(people).most_common(2))
        self._judge_edits()
        here = {person_of(row) for row in self.tenant.local().values()}
        everybody = {f"p{number}" for number in range(1, self.number + 1)}
        assert everybody - self.deleted <= here <= everybody, (
            self.told,
            everybody - self.deleted - here,
            here - everybody,
        )
        self._judge_second_phones()

    def _judge_second_phones(self) -> None:
        for key, row in self.tenant.remote().items():
            wanted = self.second_phones.get(person_of(row))
            if wanted and person_of(row) not in self.deleted:
                self.seen["second phones looked for"] += 1
                held = [each["value"] for each in self.tenant.person(key).get("phoneNumbers", [])]
                assert wanted in held, (self.told, wanted, held)


def tell(world: ContactsWorld, seed: int) -> ContactsHistory:
    """One history, judged. The options that stand for what is not documented follow the seed."""
    world.interval = 0.0
    world.propagation_seconds = WINDOW
    world.options(takes_list_etags=seed % 2 == 0, expired_status=400 if seed % 3 else 410, lists_lag=seed % 4 != 1)
    # The jitter of retries has no source of its own.
    random.seed(seed)
    settings = NO_LIMIT | ({"delete_policy": "hold"} if seed % 4 == 2 else {})
    history = ContactsHistory(
        seed,
        world,
        world.tenant(f"s{seed}", **settings),
        is_reading_everything=seed % 6 == 4,
    )
    history.run()
    history.judge()
    return history

"""Random histories of one workspace and its audience: edits on both sides, runs, faults, crashes, lag, time.

One seed is one history. Every value that somebody types is unique, so that afterwards each can be looked for:
on both sides, or in the journal as carried over or as the loser of a conflict. Belongs here: making histories
and judging them. Does not: how many (`test_histories`), consent in depth (`test_consent_histories`).
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import RunStatus
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline_tests.simulation.history import Edit
from integrations_pipeline_tests.sync.arrangement import Value, tags
from integrations_pipeline_tests.sync.mailchimp.arrangement import NO_LIMIT, MailchimpWorld, Subscribers
from integrations_pipeline_tests.sync.mailchimp.events import Events
from integrations_pipeline_tests.sync.mailchimp.lag import Lag
from integrations_pipeline_tests.sync.test_crashes import Crash, CrashPoints
from integrations_sandbox.mailchimp.model import Member

FIELDS = ("name", "phone", "company")
STEPS = 24
#: Seconds between two things that happen: within one second, and shorter and longer than a read may be stale.
PAUSES = (0.0, 0.0, 0.4, 3.0, 20.0, 70.0, 3600.0)
#: So long a read may be older than a write.
WINDOW = 60.0
#: Quiet runs after the last fault within which everything must have settled.
ROUNDS = 6
#: A run has about so many requests, answers and commits at which it may die.
MOST_POINTS = 60
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


@dataclass(slots=True)
class History:
    """A seed's history over one tenant; `run` tells it and `judge` says what is wrong with the end."""

    seed: int
    world: MailchimpWorld
    tenant: Subscribers
    seen: Counter[str] = field(default_factory=Counter)
    edits: list[Edit] = field(default_factory=list)
    #: People (by first name) that somebody deleted on some side.
    deleted: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    number: int = 0
    #: Everything is read after each thing that happens.
    is_reading_everything: bool = False
    chance: random.Random = field(init=False)
    events: Events = field(init=False)
    _edit_numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.events = Events(self)

    # Telling

    def run(self) -> None:
        for _ in range(self.chance.randint(4, 8)):
            self.chance.choice((self.add_local, self.add_remote))()
        self.sync()
        for _ in range(STEPS):
            action = self.chance.choices(list(self._actions()), list(self._actions().values()))[0]
            self.note(action.__name__.strip("_"))
            action()
            if self.is_reading_everything:
                self.seen["reads of everything in between"] += 1
                self.sync(is_full=True)
            self.world.clock.advance(self.chance.choice(PAUSES))
        self._settle()

    def _actions(self) -> dict[Callable[[], None], int]:
        return {
            self._edit_local: 8, self._edit_remote: 8, self._edit_both: 3, self._tag_local: 4, self._tag_remote: 4,
            self._email_local: 3, self._email_remote: 2, self.add_local: 3, self.add_remote: 3,
            self._delete_local: 2, self._delete_remote: 2, self._unarchive: 1,
            self._opt_out_local: 1, self._unsubscribe: 2, self._opt_in: 1,
            self._plain_sync: 6, self._full_sync: 2, self._faulty_sync: 4, self.crashed_sync: 4,
            self._raced_sync: 6, self._lagging_syncs: 2,
            **self.events.actions(),
        }  # fmt: skip

    def note(self, what: str) -> None:
        self.seen[what] += 1
        self.log.append(what)

    # People

    def _somebody(self) -> dict[str, Value]:
        self.number += 1
        key = f"p{self.number}"
        email = f"{key}@example.org"
        row: dict[str, Value] = {"email": email.upper() if self.chance.random() < 0.1 else email, "name": f"{key} n0"}
        if self.chance.random() < 0.5:
            row["company"] = f"{key} c0 Ünïcode"
        if self.chance.random() < 0.3:
            row["tags"] = [f"{key} t0"]
        return row

    def add_local(self) -> None:
        self.tenant.add_local(self._somebody())

    def add_remote(self) -> None:
        status = self.chance.choice(("subscribed", "subscribed", "transactional"))
        self.tenant.add_remote(self._somebody(), status=status)

    def pick(self, rows: Mapping[str, Mapping[str, str]]) -> str | None:
        keys = sorted(rows, key=lambda key: (person_of(rows[key]), key))
        return self.chance.choice(keys) if keys else None

    def type_in(self, side: str, key: str, name: str, value: str | None = None) -> None:
        """Type a value into a field of a contact or record, by default one that nobody typed before; `tags` add one,
        `email` is another address."""
        tenant = self.tenant
        row = tenant.local()[key] if side == "local" else tenant.remote()[key]
        person = person_of(row)
        number = next(self._edit_numbers)
        if value is None:
            value = f"{person}.{number}.{side}@example.org" if name == "email" else f"{person} {name} {number} {side}"
        # Somebody's earlier value that is typed again is not an old one any more.
        self.edits = [each for each in self.edits if (each.person, each.name, each.value) != (person, name, value)]
        for earlier in self.edits:
            if name != "tags" and (earlier.person, earlier.name, earlier.side) == (person, name, side):
                earlier.is_overtaken = True
        self.edits.append(Edit(side, person, name, value))
        write = tenant.edit_local if side == "local" else tenant.edit_remote
        write(key, **{name: [*tags(row.get("tags", "")), value] if name == "tags" else value})

    def is_leaving(self, row: Mapping[str, str]) -> None:
        self.deleted.add(person_of(row))
        self.events.rejected.discard(person_of(row))

    def _edit_here(self, name: str) -> None:
        rows = self.tenant.local()
        if key := self.pick(rows):
            self.type_in("local", key, name)

    def _edit_there(self, name: str) -> None:
        rows = self.tenant.remote()
        if key := self.pick(rows):
            self.type_in("remote", key, name)

    def _edit_local(self) -> None:
        self._edit_here(self.chance.choice(FIELDS))

    def _edit_remote(self) -> None:
        self._edit_there(self.chance.choice(FIELDS))

    def _tag_local(self) -> None:
        self._edit_here("tags")

    def _tag_remote(self) -> None:
        self._edit_there("tags")

    def _email_local(self) -> None:
        self._edit_here("email")

    def _email_remote(self) -> None:
        self._edit_there("email")

    def _edit_both(self) -> None:
        """Two people type into one field of one contact, one on each side."""
        local, remote, links = self.tenant.local(), self.tenant.remote(), self.tenant.links()
        here = self.pick({key: row for key, row in local.items() if links.get(key) in remote})
        if here:
            there = links[here]
            name = self.chance.choice((*FIELDS, "tags", "email"))
            self.type_in("local", here, name)
            self.type_in("remote", there, name)

    def _delete_local(self) -> None:
        rows = self.tenant.local()
        key = self.pick(rows)
        if key and len(rows) > 3:
            self.is_leaving(rows[key])
            self.tenant.delete_local(key)

    def _delete_remote(self) -> None:
        rows = self.tenant.remote()
        key = self.pick(rows)
        if key and len(rows) > 3:
            self.is_leaving(rows[key])
            self.tenant.delete_remote(key)

    def _unarchive(self) -> None:
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

    # Consent

    def _opt_out_local(self) -> None:
        if key := self.pick(self.tenant.local()):
            self.tenant.edit_local(key, email_opt_out="true")

    def _unsubscribe(self) -> None:
        if key := self.pick(self.tenant.remote()):
            self.tenant.unsubscribe(key, by=self.chance.choice(("person", "admin")))

    def _opt_in(self) -> None:
        if key := self.pick(self.tenant.remote()):
            self.tenant.opt_in(key)

    # Runs

    def sync(self, *, is_full: bool = False, points: CrashPoints | None = None) -> SyncReport | None:
        if self.tenant.connection.status != "active":
            self.note("enabled_again")
            self.tenant.configure()
        self.world.waits.clear()
        self.tenant.calls_seen = self.tenant.last_call()
        watching = points.watching(self.world) if points else nullcontext()
        try:
            with watching:
                report = run_sync(self.world.runtime, self.tenant.request(is_full=is_full))
        except (IntegrationError, Crash) as stopped:
            self.note(f"stopped by {type(stopped).__name__}")
            return None
        self.tenant._check_log(report)
        self.tenant.check_privacy()
        self.seen[f"run {report.status.value}"] += 1
        if self.tenant.means_its_place:
            self.tenant.approve_place()
        for change in report.plan.changes:
            self.seen[f"{change.side.value} {change.kind.value}"] += 1
            self.seen["conflict"] += change.conflict is not None
            self.seen["e-mails changed at Mailchimp"] += change.side == "remote" and "email" in change.before
        return report

    def _plain_sync(self) -> None:
        self.sync()

    def _full_sync(self) -> None:
        self.sync(is_full=True)

    def _faulty_sync(self) -> None:
        action, rule = self.chance.choice(FAULTS)
        self.note(f"fault {action} {rule.get('status', '')}".strip())
        self.world.fault(action, times=self.chance.randint(1, 2), skip=self.chance.randint(0, 6), **rule)
        self.sync(is_full=self.chance.random() < 0.4)
        self.world.mailchimp.clear_faults()

    def crashed_sync(self) -> None:
        """The process dies before a request leaves, after an answer came, or at a commit."""
        points = CrashPoints(die_at=self.chance.randint(3, MOST_POINTS))
        self.sync(is_full=self.chance.random() < 0.3, points=points)

    def _raced_sync(self) -> None:
        """Somebody edits while the run is under way."""
        deeds = (self._edit_local, self._edit_remote, self._tag_remote, self._email_remote, self._unsubscribe)
        deed = self.chance.choice(deeds)
        moments = ["after_read", "before_recheck", "after_write"]
        # Between the re-read and the write there is nothing to guard with: docs/guarantees.md.
        moment = self.chance.choice([*moments, "before_write"] if deed == self._edit_local else moments)
        setattr(self.world.hooks, moment, deed)
        self.sync()
        self.note("edit during a run" if getattr(self.world.hooks, moment) is None else "edit missed the run")
        setattr(self.world.hooks, moment, None)

    def _lagging_syncs(self) -> None:
        """Reads answer as it was before our own writes, for longer than a run takes.

        A member whose lasting id no read tells yet is linked by the next run, by its e-mail: until then nobody
        changes that, or it would be somebody else's.
        """
        self.sync()
        lag = Lag(self.tenant)
        with lag.behind():
            self._edit_local()
            self.add_local()
            for _ in range(2):
                self.sync(is_full=self.chance.random() < 0.5)
                self.world.clock.advance(self.chance.uniform(0, WINDOW / 4))
        self.seen["stale answers"] += lag.stale_reads
        self.sync()

    # The end

    @property
    def told(self) -> str:
        return f"seed {self.seed}: {self.log}"

    def _settle(self) -> None:
        plans = []
        for _ in range(ROUNDS):
            self.world.clock.advance(2 * WINDOW)
            self._bring_back()
            has_decided = self.events.answer_everything()
            # A delete that was set aside is told again by full reads only.
            report = self.sync(is_full=has_decided)
            is_open = has_decided or report is None or report.plan.changes or report.plan.skipped
            if report and not is_open and report.status is RunStatus.SUCCESS:
                return
            plans.append(report and (report.status.value, report.error, report.plan.changes, report.results))
        raise AssertionError(f"{self.told}: not settled after {ROUNDS} quiet runs; {plans[-1]}")

    def _bring_back(self) -> None:
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
        """Everything that must hold after the last quiet run; a full comparison finds nothing either."""
        self.world.clock.advance(2 * WINDOW)
        full = self.sync(is_full=True)
        assert full is not None
        assert not full.plan.changes, (self.told, full.plan.changes)
        self.tenant.assert_in_sync()
        for rows in (self.tenant.local(), self.tenant.remote()):
            emails = [row["email"].lower() for row in rows.values()]
            assert len(emails) == len(set(emails)), self.told
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
        assert self.events.rejected <= here, (self.told, self.events.rejected - here, "were to stay")
        for contact_id, record_id in self.tenant.links().items():
            is_out = self.tenant.is_out(contact_id)
            assert not (is_out and self.tenant.status(record_id) == "subscribed"), self.told
            assert is_out or self.tenant.status(record_id) != "unsubscribed", self.told

    def _judge_edits(self) -> None:
        kept, emails_kept = self._kept_values(), self._kept_emails()
        for edit in self.edits:
            if not edit.is_overtaken and edit.person not in self.deleted:
                self.seen["edits looked for"] += 1
                is_kept = (edit.person, edit.value) in emails_kept if edit.name == "email" else edit.value in kept
                assert is_kept, (self.told, edit)

    def _kept_emails(self) -> set[tuple[str, str]]:
        """E-mails go from one to the other: whose each is or was, here or by the journal."""
        found = self.tenant.rows("select id::text, split_part(name, ' ', 1) person from workspace_contacts")
        people = {row["id"]: row["person"] for row in found}
        kept = {(person_of(row), row.get("email", "")) for row in self.tenant.local().values()}
        for row in self.tenant.journal("applied", "superseded"):
            after = row["after"] or {}
            person = people.get(row["contact_id"] or "") or person_of(after)
            conflict = ((row["conflict"] or {}).get("fields") or {}).get("email", {})
            kept |= {(person, str(value)) for value in (after.get("email", ""), *conflict.values())}
        return kept

    def _kept_values(self) -> set[str]:
        """Values on a side now, or in the journal as carried over (perhaps without an answer, by a run that
        died) or as one of a conflict's."""
        kept = {value for row in self.tenant.local().values() for value in (*row.values(), *tags(row.get("tags", "")))}
        for row in self.tenant.journal("applied", "superseded"):
            if row["state"] == "superseded" and not row["attempts"]:
                continue
            kept |= {str(value) for value in (row["after"] or {}).values()}
            for values in ((row["conflict"] or {}).get("fields") or {}).values():
                kept |= {str(value) for value in values.values()}
        return kept


def person_of(row: Mapping[str, str]) -> str:
    """Who it is: the first name, which no history changes."""
    return row.get("name", "").split(" ")[0]


def tell(world: MailchimpWorld, seed: int) -> History:
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
    # The jitter of retries has no source of its own.
    random.seed(seed)
    # In every fourth a person decides about deletes; in every sixth everything is read after each step.
    settings = NO_LIMIT | ({"delete_policy": "hold"} if seed % 4 == 2 else {})
    history = History(seed, world, world.tenant(f"s{seed}", **settings), is_reading_everything=seed % 6 == 4)
    history.run()
    history.judge()
    return history

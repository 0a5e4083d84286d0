"""Random histories of one workspace and its HubSpot account: edits on both sides, runs, faults, crashes, lag, time.

One seed is one history. Every value that somebody types is unique, so that afterwards each can be looked for: on both
sides, or in the journal as carried over or as the loser of a conflict. Belongs here: making histories and judging them.
Does not: how many (`test_histories`).
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
from integrations_pipeline_tests.sync.arrangement import Value
from integrations_pipeline_tests.sync.hubspot.arrangement import NO_LIMIT, HubSpotWorld, Portals
from integrations_pipeline_tests.sync.test_crashes import Crash, CrashPoints
from integrations_sandbox import FaultRule

FIELDS = ("name", "phone", "company", "job_title")
STEPS = 22
#: Seconds between two things that happen: within one moment, and shorter and longer than the index lags.
PAUSES = (0.0, 0.0, 0.4, 3.0, 20.0, 70.0, 3600.0)
#: So long a read may be older than a write, and the index of a search may lag.
WINDOW = 60.0
ROUNDS = 6
#: A run has about so many requests, answers and commits at which it may die.
MOST_POINTS = 45
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


@dataclass(slots=True)
class History:
    """A seed's history over one tenant; `run` tells it and `judge` says what is wrong with the end."""

    seed: int
    world: HubSpotWorld
    tenant: Portals
    seen: Counter[str] = field(default_factory=Counter)
    edits: list[Edit] = field(default_factory=list)
    #: People (by first name) that somebody deleted or merged on some side.
    deleted: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    number: int = 0
    chance: random.Random = field(init=False)
    _edit_numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    # Telling

    def run(self) -> None:
        for _ in range(self.chance.randint(4, 8)):
            self.chance.choice((self._add_local, self._add_remote))()
        self.sync()
        for _ in range(STEPS):
            action = self.chance.choices(list(self._actions()), list(self._actions().values()))[0]
            self.note(action.__name__.strip("_"))
            action()
            self.world.clock.advance(self.chance.choice(PAUSES))
        self._settle()

    def _actions(self) -> dict[Callable[[], None], int]:
        return {
            self._edit_local: 8, self._edit_remote: 8, self._edit_both: 3, self._email_local: 3, self._email_remote: 3,
            self._add_local: 3, self._add_remote: 3, self._delete_local: 2, self._delete_remote: 2, self._restore: 1,
            self._merge: 1, self._opt_out_local: 1, self._opt_out_remote: 1, self._opt_in_remote: 1,
            self._plain_sync: 6, self._full_sync: 2, self._faulty_sync: 5, self._crashed_sync: 5, self._raced_sync: 5,
        }  # fmt: skip

    def note(self, what: str) -> None:
        self.seen[what] += 1
        self.log.append(what)

    # People

    def _somebody(self) -> dict[str, Value]:
        self.number += 1
        key = f"p{self.number}"
        row: dict[str, Value] = {"email": f"{key}@example.org", "name": f"{key} n0"}
        if self.chance.random() < 0.5:
            row["company"] = f"{key} c0 Ünïcode"
        return row

    def _add_local(self) -> None:
        self.tenant.add_local(self._somebody())

    def _add_remote(self) -> None:
        self.tenant.add_remote(self._somebody())

    def _pick(self, rows: Mapping[str, Mapping[str, str]]) -> str | None:
        keys = sorted(rows, key=lambda key: (person_of(rows[key]), key))
        return self.chance.choice(keys) if keys else None

    def _type_in(self, side: str, key: str, name: str) -> None:
        """Type a value that nobody typed before into a field of a contact or record."""
        rows = self.tenant.local() if side == "local" else self.tenant.remote()
        person, number = person_of(rows[key]), next(self._edit_numbers)
        value = f"{person}.{number}.{side}@example.org" if name == "email" else f"{person} {name} {number} {side}"
        for earlier in self.edits:
            if (earlier.person, earlier.name, earlier.side) == (person, name, side):
                earlier.is_overtaken = True
        self.edits.append(Edit(side, person, name, value))
        write = self.tenant.edit_local if side == "local" else self.tenant.edit_remote
        write(key, **{name: value})

    def _edit(self, side: str, name: str) -> None:
        rows = self.tenant.local() if side == "local" else self.tenant.remote()
        if key := self._pick(rows):
            self._type_in(side, key, name)

    def _edit_local(self) -> None:
        self._edit("local", self.chance.choice(FIELDS))

    def _edit_remote(self) -> None:
        self._edit("remote", self.chance.choice(FIELDS))

    def _email_local(self) -> None:
        self._edit("local", "email")

    def _email_remote(self) -> None:
        """Of somebody who is linked: a contact whose create was never answered is known by its e-mail alone, and with
        another one it is somebody else's (docs/providers/hubspot.md)."""
        linked = set(self.tenant.links().values())
        if key := self._pick({key: row for key, row in self.tenant.remote().items() if key in linked}):
            self._type_in("remote", key, "email")

    def _edit_both(self) -> None:
        """Two people type into one field of one contact, one on each side."""
        local, remote, links = self.tenant.local(), self.tenant.remote(), self.tenant.links()
        here = self._pick({key: row for key, row in local.items() if links.get(key) in remote})
        if here:
            name = self.chance.choice((*FIELDS, "email"))
            self._type_in("local", here, name)
            self._type_in("remote", links[here], name)

    def _delete_local(self) -> None:
        rows = self.tenant.local()
        if (key := self._pick(rows)) and len(rows) > 3:
            self.deleted.add(person_of(rows[key]))
            self.tenant.delete_local(key)

    def _delete_remote(self) -> None:
        rows = self.tenant.remote()
        if (key := self._pick(rows)) and len(rows) > 3:
            self.deleted.add(person_of(rows[key]))
            self.tenant.delete_remote(key)

    def _restore(self) -> None:
        """Somebody who is in the archive, and nowhere else there."""
        there = {person_of(row) for row in self.tenant.remote().values()}
        contacts = self.tenant.portal.contacts.values()
        found = [each for each in contacts if each.archived_at and each.properties.get("firstname") not in there]
        if found:
            chosen = self.chance.choice(found)
            if self.tenant.portal.by_email(chosen.email) is None:
                self.world.hubspot.restore(self.tenant.portal_id, chosen.id)

    def _merge(self) -> None:
        rows = self.tenant.remote()
        if len(rows) > 4:
            one, other = self.chance.sample(sorted(rows), 2)
            self.deleted |= {person_of(rows[one]), person_of(rows[other])}
            self.world.hubspot.merge(self.tenant.portal_id, one, other)

    # Consent

    def _opt_out_local(self) -> None:
        if key := self._pick(self.tenant.local()):
            self.tenant.edit_local(key, email_opt_out="true")

    def _opt_out_remote(self) -> None:
        if key := self._pick(self.tenant.remote()):
            self.tenant.opt_out_remote(key)

    def _opt_in_remote(self) -> None:
        out = sorted(self.tenant.portal.opted_out)
        if out:
            self.world.hubspot.opt_in(self.tenant.portal_id, self.chance.choice(out))

    # Runs

    def sync(self, *, is_full: bool = False, points: CrashPoints | None = None) -> SyncReport | None:
        if self.tenant.connection.status != "active":
            self.note("enabled again")
            self.tenant.configure()
        self.world.waits.clear()
        self.tenant.calls_seen = self.tenant.last_call()
        try:
            with points.watching(self.world) if points else nullcontext():
                report = run_sync(self.world.runtime, self.tenant.request(is_full=is_full))
        except (IntegrationError, Crash) as stopped:
            self.note(f"stopped by {type(stopped).__name__}")
            return None
        self.tenant._check_log(report)
        self.tenant.check_privacy()
        self.seen[f"run {report.status.value}"] += 1
        for change in report.plan.changes:
            self.seen[f"{change.side.value} {change.kind.value}"] += 1
            self.seen["conflict"] += change.conflict is not None
        return report

    def _plain_sync(self) -> None:
        self.sync()

    def _full_sync(self) -> None:
        self.sync(is_full=True)

    def _faulty_sync(self) -> None:
        action, rule = self.chance.choice(FAULTS)
        self.note(f"fault {action} {rule.get('status', '')}".strip())
        times, skip = self.chance.randint(1, 2), self.chance.randint(0, 5)
        self.world.hubspot.add_fault(FaultRule(action=action, times=times, skip=skip, **rule))
        self.sync(is_full=self.chance.random() < 0.4)
        self.world.hubspot.clear_faults()

    def _crashed_sync(self) -> None:
        """The process dies before a request leaves, after an answer came, or at a commit."""
        points = CrashPoints(die_at=self.chance.randint(3, MOST_POINTS))
        self.sync(is_full=self.chance.random() < 0.3, points=points)

    def _raced_sync(self) -> None:
        """Somebody edits while the run is under way."""
        deed = self.chance.choice((self._edit_local, self._edit_remote, self._email_remote, self._opt_out_remote))
        moments = ["after_read", "before_recheck", "after_write"]
        # Between the re-read and the write there is nothing to guard with: docs/guarantees.md.
        moment = self.chance.choice([*moments, "before_write"] if deed == self._edit_local else moments)
        setattr(self.world.hooks, moment, deed)
        self.sync()
        self.note("edit during a run" if getattr(self.world.hooks, moment) is None else "edit missed the run")
        setattr(self.world.hooks, moment, None)

    # The end

    @property
    def told(self) -> str:
        return f"seed {self.seed}: {self.log}"

    def _settle(self) -> None:
        plans: list[Any] = []
        for number in range(ROUNDS):
            self.world.clock.advance(2 * WINDOW)
            report = self.sync(is_full=number == 1)
            is_open = report is None or report.plan.changes or report.plan.skipped
            if number and report and not is_open and report.status is RunStatus.SUCCESS:
                return
            plans.append(report and (report.status.value, report.error, report.plan.changes, report.results))
        raise AssertionError(f"{self.told}: not settled after {ROUNDS} quiet runs; {plans[-1]}")

    def judge(self) -> None:
        """Everything that must hold after the last quiet run; a full comparison finds nothing either."""
        self.world.clock.advance(2 * WINDOW)
        full = self.sync(is_full=True)
        assert full is not None
        assert not full.plan.changes, (self.told, full.plan.changes)
        self.tenant.assert_in_sync()
        for rows in (self.tenant.local(), self.tenant.remote()):
            for found in ([row["email"].lower() for row in rows.values()], [person_of(row) for row in rows.values()]):
                assert len(found) == len(set(found)), (self.told, Counter(found).most_common(2))
        self._judge_edits()
        here = {person_of(row) for row in self.tenant.local().values()}
        everybody = {f"p{number}" for number in range(1, self.number + 1)}
        assert everybody - self.deleted <= here <= everybody, (self.told, everybody - self.deleted - here)
        for contact_id, record_id in self.tenant.links().items():
            email = self.tenant.remote()[record_id]["email"]
            assert self.tenant.is_out(contact_id) == (email in self.tenant.portal.opted_out), self.told

    def _judge_edits(self) -> None:
        kept = self._kept_values()
        for edit in self.edits:
            if not edit.is_overtaken and edit.person not in self.deleted:
                self.seen["edits looked for"] += 1
                assert edit.value in kept, (self.told, edit)

    def _kept_values(self) -> set[str]:
        """Values on a side now, or in the journal as carried over or as one of a conflict's."""
        kept = {value for row in self.tenant.local().values() for value in row.values()}
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


def tell(world: HubSpotWorld, seed: int) -> History:
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
    # The jitter of retries has no source of its own.
    random.seed(seed)
    history = History(seed, world, world.tenant(f"s{seed}", **NO_LIMIT))
    history.run()
    history.judge()
    return history

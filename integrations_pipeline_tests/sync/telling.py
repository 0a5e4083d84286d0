"""Telling random histories of one workspace and one provider: what those of all providers share.

One seed is one history. Every value that somebody types is unique, so that afterwards each can be looked for: on both
sides, or in the journal as carried over or as the loser of a conflict. Belongs here: ordinary edits and runs, settling,
judging. Does not: how often what happens and what a provider has of its own (each `history`), rarer events (`events`),
how many (the tests).
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import RunStatus
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline.sync.runtime import no_progress
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.arrangement import Value, tags
from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.crashes import Crash, CrashPoints

Row = Mapping[str, str]
Fault = tuple[str, Mapping[str, Any]]
#: So long a read may be older than a write.
WINDOW = 60.0
#: Quiet runs after the last fault within which everything must have settled.
ROUNDS = 6
MOMENTS = ("after_read", "before_recheck", "after_write")


@dataclass(slots=True)
class Edit:
    """A value that somebody typed; `is_overtaken` once the same side typed another over it."""

    side: str
    person: str
    name: str
    value: str
    is_overtaken: bool = False
    #: Where it was typed.
    place: str = ""


@dataclass
class Telling:
    """A seed's history over one tenant; `run` tells it and `judge` says what is wrong with the end."""

    seed: int
    world: Any
    tenant: Any
    #: Everything is read after each thing that happens.
    is_reading_everything: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    edits: list[Edit] = field(default_factory=list)
    #: People (by first name) that somebody deleted on some side.
    deleted: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    number: int = 0
    #: A run is under way.
    is_at_work: bool = False
    #: The place that the last run without a question about it has looked at.
    place_known: str = ""
    chance: random.Random = field(init=False)
    _edit_numbers: Iterator[int] = field(default_factory=count)

    FIELDS: ClassVar[tuple[str, ...]] = ("name", "phone", "company")
    #: What two people may type into at once.
    SHARED: ClassVar[tuple[str, ...]] = (*FIELDS, "tags", "email")
    FAULTS: ClassVar[tuple[Fault, ...]]
    #: How many requests are left alone before a fault strikes.
    MOST_SKIPPED: ClassVar[int] = 6
    #: A run has about so many requests, answers and commits at which it may die.
    MOST_POINTS: ClassVar[int] = 60
    FEWEST_PEOPLE: ClassVar[int] = 4
    STEPS: ClassVar[int] = 24
    #: Seconds between two things that happen: within one moment, and shorter and longer than a read may be stale.
    PAUSES: ClassVar[tuple[float, ...]] = (0.0, 0.0, 0.4, 3.0, 20.0, 70.0, 3600.0)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    # Telling

    def run(self) -> None:
        self.begin()
        for _ in range(self.STEPS):
            actions = self.actions()
            action = self.chance.choices(list(actions), list(actions.values()))[0]
            self.note(action.__name__)
            action()
            if self.is_reading_everything:
                self.seen["reads of everything in between"] += 1
                self.sync(is_full=True)
            self.world.clock.advance(self.chance.choice(self.PAUSES))
        self.settle()

    def actions(self) -> dict[Callable[[], Any], int]:
        """What may happen, and how often."""
        raise NotImplementedError

    def begin(self) -> None:
        """Both sides agree on a handful of people; whatever follows perturbs that."""
        for _ in range(self.chance.randint(self.FEWEST_PEOPLE, 8)):
            self.chance.choice((self.add_local, self.add_remote))()
        self.sync()

    def note(self, what: str) -> None:
        self.seen[what] += 1
        self.log.append(what)

    # People

    def somebody(self) -> dict[str, Value]:
        """Who was never there; some in capitals, some with a company, some with a tag."""
        row = self.plain_person(self.chance.random() < 0.1)
        if self.chance.random() < 0.3:
            row["tags"] = [f"p{self.number} t0"]
        return row

    def plain_person(self, is_in_capitals: bool) -> dict[str, Value]:
        self.number += 1
        key = f"p{self.number}"
        email = f"{key}@example.org"
        row: dict[str, Value] = {"email": email.upper() if is_in_capitals else email, "name": f"{key} n0"}
        if self.chance.random() < 0.5:
            row["company"] = f"{key} c0 Ünïcode"
        return row

    def add_local(self) -> str:
        """The id of the new contact."""
        return str(self.tenant.add_local(self.somebody())[0])

    def add_remote(self) -> None:
        self.tenant.add_remote(self.somebody())

    def rows(self, side: str) -> dict[str, dict[str, str]]:
        """Whom people work with on that side."""
        found: dict[str, dict[str, str]] = self.tenant.local() if side == "local" else self.tenant.remote()
        return found

    def people(self, rows: Mapping[str, Row]) -> list[str]:
        """Their keys in an order that does not depend on them."""
        return sorted(rows, key=lambda key: (person_of(rows[key]), key))

    def pick(self, rows: Mapping[str, Row]) -> str:
        """One of them; "" if there is nobody."""
        keys = self.people(rows)
        return self.chance.choice(keys) if keys else ""

    def type_in(self, side: str, key: str, name: str, value: str | None = None) -> None:
        """Type a value into a field of a contact or record, by default one that nobody typed before; `tags` add one,
        `email` is another address."""
        tenant = self.tenant
        row = (tenant.local() if side == "local" else tenant.remote())[key]
        person, number = person_of(row), next(self._edit_numbers)
        if value is None:
            value = f"{person}.{number}.{side}@example.org" if name == "email" else f"{person} {name} {number} {side}"
        # Somebody's earlier value that is typed again is not an old one any more.
        self.edits = [each for each in self.edits if (each.person, each.name, each.value) != (person, name, value)]
        here = {told.get(name) for told in tenant.local().values()}
        for earlier in self.edits:
            if name != "tags" and (earlier.person, earlier.name, earlier.side) == (person, name, side):
                # In a place where no run has been, what came here from the former one meets it as another side's.
                is_met = earlier.value in here and tenant.base_id not in (earlier.place, self.place_known)
                earlier.is_overtaken |= side == "local" or not is_met
        self.edits.append(Edit(side, person, name, value, place=tenant.base_id))
        write = tenant.edit_local if side == "local" else tenant.edit_remote
        write(key, **{name: [*tags(row.get("tags", "")), value] if name == "tags" else value})

    def edit(self, side: str, name: str) -> None:
        if key := self.pick(self.rows(side)):
            self.type_in(side, key, name)

    def edit_local(self) -> None:
        self.edit("local", self.chance.choice(self.FIELDS))

    def edit_remote(self) -> None:
        self.edit("remote", self.chance.choice(self.FIELDS))

    def tag_local(self) -> None:
        self.edit("local", "tags")

    def tag_remote(self) -> None:
        self.edit("remote", "tags")

    def email_local(self) -> None:
        self.edit("local", "email")

    def email_remote(self) -> None:
        self.edit("remote", "email")

    def edit_both(self) -> None:
        """Two people type into one field of one contact, one on each side."""
        remote, links = self.rows("remote"), self.tenant.links()
        here = self.pick({key: row for key, row in self.rows("local").items() if links.get(key) in remote})
        if here:
            name = self.chance.choice(self.SHARED)
            self.type_in("local", here, name)
            self.type_in("remote", links[here], name)

    def remove(self, side: str) -> None:
        rows = self.rows(side)
        if (key := self.pick(rows)) and len(rows) > 3:
            self.leave(side, key)

    def delete_local(self) -> None:
        self.remove("local")

    def delete_remote(self) -> None:
        self.remove("remote")

    def leave(self, side: str, key: str) -> None:
        """Somebody is deleted on one side."""
        rows = self.tenant.local() if side == "local" else self.tenant.remote()
        self.is_leaving(person_of(rows[key]), side, key)
        (self.tenant.delete_local if side == "local" else self.tenant.delete_remote)(key)

    def is_leaving(self, person: str, side: str, key: str) -> None:
        self.deleted.add(person)

    # Consent

    def opt_out_local(self) -> None:
        if key := self.pick(self.tenant.local()):
            self.tenant.edit_local(key, email_opt_out="true")

    # Runs

    def sync(self, *, is_full: bool = False, points: CrashPoints | None = None) -> SyncReport | None:
        if self.tenant.connection.status != "active":
            self.note("enabled_again")
            self.tenant.configure()
        self.world.waits.clear()
        self.tenant.calls_seen = self.tenant.last_call()
        self.is_at_work = True
        try:
            with points.watching(self.world) if points else nullcontext():
                report = run_sync(self.world.runtime, self.tenant.request(is_full=is_full), self.progress)
        except (IntegrationError, Crash) as stopped:
            self.note(f"stopped by {type(stopped).__name__}")
            return None
        finally:
            self.is_at_work = False
        if not (self.tenant.means_its_place and self.tenant.approve_place()):
            self.place_known = self.tenant.base_id
        self.judge_run(report)
        self._count(report)
        return report

    def _count(self, report: SyncReport) -> None:
        self.seen[f"run {report.status.value}"] += 1
        self.seen["runs that let edits settle"] += bool(report.settling)
        for change in report.plan.changes:
            self.seen[f"{change.side.value} {change.kind.value}"] += 1
            self.seen["conflict"] += change.conflict is not None
            self.seen["e-mails changed there"] += change.side == "remote" and "email" in change.before

    @property
    def progress(self) -> Callable[[str, int, int], None]:
        return no_progress

    def plain_sync(self) -> None:
        self.sync()

    def full_sync(self) -> None:
        self.sync(is_full=True)

    def faulty_sync(self) -> None:
        action, rule = self.chance.choice(self.FAULTS)
        self.note(f"fault {action} {rule.get('status', '')}".strip())
        self.world.fault(action, times=self.times_of(action), skip=self.chance.randint(0, self.MOST_SKIPPED), **rule)
        self.sync(is_full=self.chance.random() < 0.4)
        self.world.airtable.clear_faults()

    def times_of(self, action: str) -> int:
        return self.chance.randint(1, 2)

    def crashed_sync(self) -> None:
        """The process dies before a request leaves, after an answer came, or at a commit."""
        points = CrashPoints(die_at=self.chance.randint(3, self.MOST_POINTS))
        self.sync(is_full=self.chance.random() < 0.3, points=points)

    def raced_sync(self) -> None:
        """Somebody edits while the run is under way."""
        deed = self.chance.choice(self.deeds())
        # Between the re-read and the write there is nothing to guard with: docs/guarantees.md.
        is_here = deed == self.edit_local
        self.race(self.chance.choice([*MOMENTS, "before_write"] if is_here else MOMENTS), deed)

    def deeds(self) -> tuple[Callable[[], None], ...]:
        """What may be done during a run."""
        return (self.edit_local, self.edit_remote)

    def race(self, moment: str, deed: Callable[[], Any]) -> None:
        is_done = self.sync_with(moment, deed)
        self.note("edit during a run" if is_done else "edit missed the run")

    def sync_with(self, moment: str, deed: Callable[[], Any], *, is_full: bool = False) -> bool:
        """A run with a deed at a moment of it; whether that came."""
        hooks = self.world.hooks
        setattr(hooks, moment, deed)
        self.sync(is_full=is_full)
        is_done = getattr(hooks, moment) is None
        setattr(hooks, moment, None)
        return is_done

    # The end

    @property
    def told(self) -> str:
        return f"seed {self.seed}: {self.log}"

    def let_the_window_pass(self) -> None:
        """No read is older than a write any more."""
        self.world.clock.advance(2 * WINDOW)

    def settle(self) -> None:
        """Within `ROUNDS` runs, and as many more as somebody decided something before: one answer may show the next
        question."""
        plans: list[Any] = []
        decided = 0
        while len(plans) < ROUNDS + min(decided, ROUNDS):
            self.let_the_window_pass()
            has_decided, report = self.quiet_run(len(plans))
            decided += has_decided
            is_over = report and report.status is RunStatus.SUCCESS and not self.is_open(report)
            if is_over and not has_decided:
                return
            plans.append(report and (report.status.value, report.error, report.plan.changes, report.results))
        raise AssertionError(f"{self.told}: not settled after {len(plans)} quiet runs; {plans[-1]}")

    def quiet_run(self, number: int) -> tuple[bool, SyncReport | None]:
        """People do what the sync asks them for, if they do, and it runs."""
        has_decided = self.answer_everything()
        # A delete that was set aside is told again by full reads only.
        return has_decided, self.sync(is_full=has_decided)

    def answer_everything(self) -> bool:
        return False

    def is_open(self, report: SyncReport) -> bool:
        return bool(report.plan.changes or report.plan.skipped or report.plan.held)

    # Judging

    def judge_run(self, report: SyncReport) -> None:
        self.tenant._check_log(report)
        self.tenant.check_privacy()

    def reconcile(self) -> SyncReport:
        """A full comparison, as every night brings one."""
        self.let_the_window_pass()
        report = self.sync(is_full=True)
        assert report is not None, self.told
        return report

    def judge(self) -> None:
        """Everything that must hold after the last quiet run; a full comparison finds nothing either."""
        full = self.reconcile()
        assert not full.plan.changes, (self.told, full.plan.changes)
        self.tenant.assert_in_sync()
        for rows in (self.tenant.local(), self.tenant.remote()):
            for found in self.unique(rows):
                assert len(found) == len(set(found)), (self.told, Counter(found).most_common(2))
        self.judge_edits()
        self.judge_people()

    def unique(self, rows: Mapping[str, Row]) -> list[list[str]]:
        """What no two on one side share."""
        return [[row["email"].lower() for row in rows.values()], [person_of(row) for row in rows.values()]]

    def judge_edits(self) -> None:
        kept, emails_kept = self._kept_values(), self._kept_emails()
        for edit in self.edits:
            if not edit.is_overtaken and edit.person not in self.deleted:
                self.seen["edits looked for"] += 1
                is_kept = (edit.person, edit.value) in emails_kept if edit.name == "email" else edit.value in kept
                assert is_kept, (self.told, edit)

    def judge_people(self) -> None:
        """Nobody disappears whom nobody deleted."""
        rows = self.tenant.local()
        here = {person_of(rows[key]) for key in self.people(rows)}
        everybody = {f"p{number}" for number in range(1, self.number + 1)}
        missed, left = everybody - self.deleted - here, here - everybody
        assert not missed | left, (self.told, missed, left)

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


def person_of(row: Row) -> str:
    """Who it is: the first name, which no history changes. E-mails go from one to the other."""
    return row.get("name", "").split(" ")[0]


def told(history: Telling) -> Any:
    """The same, told and judged."""
    history.run()
    history.judge()
    return history


def tell_all(title: str, tell: Callable[[Any, int], Any], seeds: Iterable[int], worlds: Worlds[Any]) -> Counter[str]:
    """A history for each seed, in a world of its own; what happened in all of them."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        with worlds.world(seed) as world:
            seen += tell(world, seed).seen
    gather(title, seen)
    return seen


def assert_seen(seen: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    """What hardly happened was hardly tested."""
    missed = {name: (seen[name], count) for name, count in wanted.items() if seen[name] < count}
    assert not missed, f"hardly exercised (seen, wanted): {missed}; all: {dict(seen)}"

"""Random histories of one workspace and its Airtable base: edits on both sides, runs, faults, crashes, time.

One seed is one history. Every value that somebody types is unique, so that afterwards each can be looked
for: on both sides, or in the journal as carried over or as the loser of a conflict. Belongs here: making
histories and judging them. Does not: how many (`test_histories`, `__main__`), what makes a seed tell the
same again (`world`).
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import ChangeKind, RunStatus
from integrations_pipeline.providers.airtable.feed import SMALL_TABLE
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline_tests.simulation.world import WINDOW, StrictWorld
from integrations_pipeline_tests.sync.arrangement import Tenant
from integrations_pipeline_tests.sync.lag import Lag

FIELDS = ("name", "company", "phone", "job_title")
#: Their columns, as the mapping names them, that an admin may rename.
COLUMNS = ("Company", "Phone", "Job Title")
STEPS = 24
MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
#: Seconds between two things that happen: shorter and longer than a read may be stale.
PAUSES = (0.0, 0.4, 3.0, 20.0, 45.0, 70.0, 5 * MINUTE)
#: Nobody looked for so long; webhooks live for a week and are gone after two.
LEAPS = (HOUR, 8 * DAY, 15 * DAY)
#: How far the provider's clock alone may be set, and how far back the workspace's.
SKEWS = (-8 * DAY, -HOUR, -10 * MINUTE, -40, 40, *LEAPS)
SET_BACKS = (2 * MINUTE, 5 * MINUTE, 15 * MINUTE)
#: No single pause of a run is longer: the cap of the retries and the pacer's penalty, and one interval more.
LONGEST_PAUSE = 61.0
#: Quiet runs after the last fault within which everything must have settled.
ROUNDS = 6
#: Deletes are believed without a person, or no history with one would settle.
SETTINGS: dict[str, Any] = {"delete_policy": "propagate", "delete_limit": 1000, "delete_limit_fraction": 1.0}


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


@dataclass(slots=True)
class Edit:
    """A value that somebody typed; `is_overtaken` once the same side typed another over it."""

    side: str
    person: str
    name: str
    value: str
    is_overtaken: bool = False


@dataclass(slots=True)
class History:
    """A seed's history over one tenant; `run` tells it and `judge` says what is wrong with the end."""

    seed: int
    world: StrictWorld
    tenant: Tenant
    #: More people at the provider whom nobody touches: a large table is read by modification time.
    bystanders: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    edits: list[Edit] = field(default_factory=list)
    #: People (by the number in their first e-mail) that somebody deleted on some side.
    deleted: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    _number: int = 0
    #: By how many seconds the workspace's clock was set back: for so much longer a write counts as recent.
    _set_back: float = 0.0
    _is_provider_set_back: bool = False
    #: A listing was cut short: a record that it hid, and nobody linked before, is found by reading everything.
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    # Telling

    def run(self) -> None:
        self._begin()
        for _ in range(STEPS):
            action = self._random.choices(list(self._actions()), list(self._actions().values()))[0]
            self._note(action.__name__.strip("_"))
            action()
            self.world.clock.advance(self._random.choice(PAUSES))
        self._settle()

    def _actions(self) -> dict[Callable[[], None], int]:
        return {
            self._edit_local: 8,
            self._edit_remote: 8,
            self._edit_both: 2,
            self._add_local: 3,
            self._add_remote: 3,
            self._delete_local: 1,
            self._delete_remote: 1,
            self._plain_sync: 5,
            self._full_sync: 2,
            self._faulty_sync: 4,
            self._crashed_sync: 3,
            self._raced_sync: 2,
            self._lagging_syncs: 2,
            self._time_leaps: 1,
            self._provider_leaps: 1,
            self._workspace_is_set_back: 1,
            self._writes_around_a_set_back: 1,
            self._time_leaps_in_a_run: 1,
            self._edit_after_a_leap: 1,
            self._admin_renames: 1,
            self._admin_swaps: 1,
        }

    def _note(self, what: str) -> None:
        self.seen[what] += 1
        self.log.append(what)

    def _begin(self) -> None:
        """Both sides agree on a handful of people; whatever follows perturbs that."""
        if self.bystanders:
            people = [{"email": f"bystander{n}@example.org", "name": f"B {n}"} for n in range(self.bystanders)]
            self.tenant.add_remote(*people)
            self._sync()
            # Long ago, or reading what was modified would find all of them.
            self.world.clock.advance(DAY)
            self.seen.clear()
        for _ in range(self._random.randint(3, 8)):
            self._random.choice((self._add_local, self._add_remote))()
        self._sync()

    def _new(self) -> tuple[str, dict[str, str]]:
        self._number += 1
        key = f"p{self._number}"
        email = f"{key}@example.org"
        fields = {"email": email.upper() if self._random.random() < 0.1 else email, "name": f"{key} n0"}
        if self._random.random() < 0.5:
            fields["company"] = f"{key} c0 Ünïcode"
        return key, fields

    def _add_local(self) -> None:
        _, fields = self._new()
        contact_id = str(UUID(int=self._random.getrandbits(128), version=4))
        with self.world.database.workspace(self.tenant.workspace_id) as connection:
            write = ContactWrite(contact_id=contact_id, fields=fields)
            assert contacts.insert_contacts(connection, self.tenant.workspace_id, [write])

    def _add_remote(self) -> None:
        self.tenant.add_remote(self._new()[1])

    def _edit(self, side: str, rows: dict[str, dict[str, str]], write: Callable[..., None]) -> None:
        people = _people(rows)
        if people:
            key = self._random.choice(people)
            self._type(side, rows[key], self._random.choice(FIELDS), lambda **fields: write(key, **fields))

    def _type(self, side: str, row: dict[str, str], name: str, write: Callable[..., None]) -> None:
        person = _name(row)
        value = f"{person} {name} {len(self.edits)} {side}"
        for earlier in self.edits:
            if (earlier.person, earlier.name, earlier.side) == (person, name, side):
                earlier.is_overtaken = True
        self.edits.append(Edit(side, person, name, value))
        write(**{name: value})

    def _edit_both(self) -> None:
        """Two people type into one field of one contact, one on each side."""
        local, remote = self.tenant.local(), self.tenant.remote()
        links = self.tenant.links()
        pairs = [(here, links[here]) for here in _people(local) if links.get(here) in remote]
        if pairs:
            here, there = self._random.choice(pairs)
            name = self._random.choice(FIELDS)
            self._type("local", local[here], name, lambda **fields: self.tenant.edit_local(here, **fields))
            self._type("remote", remote[there], name, lambda **fields: self.tenant.edit_remote(there, **fields))

    def _edit_local(self) -> None:
        self._edit("local", self.tenant.local(), self.tenant.edit_local)

    def _edit_remote(self) -> None:
        self._edit("remote", self.tenant.remote(), self.tenant.edit_remote)

    def _delete_local(self) -> None:
        self._delete(self.tenant.local(), self.tenant.delete_local)

    def _delete_remote(self) -> None:
        self._delete(self.tenant.remote(), self.tenant.delete_remote)

    def _delete(self, rows: dict[str, dict[str, str]], delete: Callable[[str], None]) -> None:
        people = _people(rows)
        if len(people) > 3:
            key = self._random.choice(people)
            self.deleted.add(_name(rows[key]))
            delete(key)

    # Runs

    def _sync(self, *, is_full: bool = False) -> SyncReport | None:
        connection = self.tenant.connection
        if connection.status != "active":
            self._note("enabled_again")
            self.tenant.configure()
        self.world.waits.clear()
        try:
            report = run_sync(self.world.runtime, self.tenant.request(is_full=is_full), self.world.progress)
        except (IntegrationError, Crash) as stopped:
            self._note(f"stopped by {type(stopped).__name__}")
            return None
        self.seen[f"run {report.status.value}"] += 1
        self.seen["runs that let edits settle"] += bool(report.settling)
        self._judge_run()
        for change in report.plan.changes:
            self.seen[f"{change.side.value} {change.kind.value}"] += 1
            self.seen["conflict"] += change.conflict is not None
        return report

    def _plain_sync(self) -> None:
        self._sync()

    def _full_sync(self) -> None:
        self._sync(is_full=True)

    def _faulty_sync(self) -> None:
        action, rule = self._random.choice(FAULTS)
        self._note(f"fault {action} {rule.get('status', '')}".strip())
        # Records that neither a listing nor the question for them by id shows are deleted, as far as anyone can tell.
        times = 1 if action in CUTS else self._random.randint(1, 2)
        self.world.fault(action, times=times, skip=self._random.randint(0, 6), **rule)
        self._sync(is_full=self._random.random() < 0.4)
        self.world.airtable.clear_faults()

    def _crashed_sync(self) -> None:
        """The process dies before a request leaves, or after the provider answered."""

        def die() -> None:
            raise Crash

        with self._at_some_request(die):
            self._sync(is_full=self._random.random() < 0.3)

    @contextmanager
    def _at_some_request(self, deed: Callable[[], None]) -> Iterator[None]:
        left = self._random.randint(1, 6)

        def tick(_: httpx.Request) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                deed()

        side = self._random.choice(("before", "after"))
        setattr(self.world.network, side, tick)
        yield
        setattr(self.world.network, side, lambda _: None)

    def _raced_sync(self) -> None:
        """Somebody edits while the run is under way."""
        hooks = self.world.hooks
        edit = self._random.choice((self._edit_local, self._edit_remote))
        moments = ["after_read", "before_recheck", "after_write"]
        # Between the re-read and the write Airtable offers nothing to guard with: docs/guarantees.md.
        moment = self._random.choice([*moments, "before_write"] if edit == self._edit_local else moments)
        setattr(hooks, moment, edit)
        self._sync()
        self._note("edit during a run" if getattr(hooks, moment) is None else "edit missed the run")
        setattr(hooks, moment, None)

    def _lagging_syncs(self) -> None:
        """Reads of the table answer as it was before our own writes, for longer than a run takes."""
        self._sync()
        lag = Lag(self.tenant)
        with lag.behind():
            self._edit_local()
            self._add_local()
            self._sync(is_full=self._random.random() < 0.5)
            self.world.clock.advance(self._random.uniform(0, WINDOW / 3))
            self._sync(is_full=self._random.random() < 0.5)
        self.seen["stale answers"] += lag.stale_reads

    # The provider's columns

    def _admin_renames(self) -> None:
        """A column gets another name, and somebody edits under it before a run comes."""
        self.tenant.rename_column(
            self._random.choice(COLUMNS), f"Renamed {self.seen['_admin_renames']} {len(self.log)}"
        )
        self._edit_remote()

    def _admin_swaps(self) -> None:
        """Two columns get each other's names."""
        self.tenant.swap_columns(*self._random.sample(COLUMNS, 2))
        self._edit_remote()

    # Time

    def _time_leaps(self) -> None:
        """Nothing happens for long: webhooks and page iterators may be gone when we come back."""
        self.world.clock.advance(self._random.choice(LEAPS))

    def _edit_after_a_leap(self) -> None:
        """What an expired webhook keeps silent about is edited before the next run comes."""
        self._time_leaps()
        self._edit_remote()
        self._sync()

    def _provider_leaps(self) -> None:
        """The provider's clock alone is set, ahead or back."""
        seconds = self._random.choice(SKEWS)
        self.world.server.stage.clock.advance(seconds)
        self._is_provider_set_back |= seconds < 0

    def _workspace_is_set_back(self) -> None:
        """The clock of our machine and of Postgres is put right by minutes; the provider's is not concerned."""
        seconds = self._random.choice(SET_BACKS)
        self.world.clock.advance(-seconds)
        self.world.server.stage.clock.advance(seconds)
        self._set_back += seconds
        if self._random.random() < 0.5:
            self._note("another Postgres takes over")
            with self.world.database.admin() as connection:
                # A standby whose clock is behind: tables without a write-ahead log are empty there.
                connection.exec_driver_sql("truncate provider_rate_limits")

    def _writes_around_a_set_back(self) -> None:
        """One field of one contact goes out twice, and the second time it is earlier than the first."""
        people = _people(self.tenant.local())
        if people:
            key, name = self._random.choice(people), self._random.choice(FIELDS)
            self._type_and_sync(key, name)
            self._workspace_is_set_back()
            self._type_and_sync(key, name)
            self._sync(is_full=self._random.random() < 0.5)

    def _type_and_sync(self, key: str, name: str) -> None:
        row = self.tenant.local().get(key)
        if row:
            self._type("local", row, name, lambda **fields: self.tenant.edit_local(key, **fields))
        self._sync()

    def _time_leaps_in_a_run(self) -> None:
        """The machine was asleep between two requests, or a clock is set."""
        deeds = [self._time_leaps, self._provider_leaps, self._workspace_is_set_back]
        with self._at_some_request(self._random.choice(deeds)):
            self._sync(is_full=self._random.random() < 0.5)

    def _let_the_window_pass(self) -> None:
        """No read is older than a write any more, and by its own clock the workspace knows it."""
        self.world.clock.advance(2 * WINDOW + self._set_back)

    # The end

    def _settle(self) -> None:
        if self.bystanders:
            self._judge_modified_reads()
        plans = []
        for _ in range(ROUNDS):
            self._let_the_window_pass()
            report = self._sync()
            if report and not (report.plan.changes or report.settling) and report.status is RunStatus.SUCCESS:
                return
            plans.append(report and (report.status.value, report.error, report.plan.changes, report.results))
        raise AssertionError(f"seed {self.seed}: not settled after {ROUNDS} quiet runs; {plans[-1]}; {self.log}")

    def _reconcile(self) -> SyncReport:
        """A full comparison, as every night brings one."""
        self._let_the_window_pass()
        report = self._sync(is_full=True)
        assert report is not None, self._told
        return report

    # Judging

    @property
    def _told(self) -> str:
        return f"seed {self.seed}: {self.log}"

    def judge(self) -> None:
        """Everything that must hold after the last quiet run; a full comparison finds nothing either."""
        told = self._told
        full = self._reconcile()
        assert not full.plan.changes, (told, full.plan.changes)
        self.tenant.assert_in_sync()
        for rows in (self.tenant.local(), self.tenant.remote()):
            emails = [row["email"].lower() for row in rows.values()]
            assert len(emails) == len(set(emails)), told
        kept = self._kept_values()
        for edit in self.edits:
            if not edit.is_overtaken and edit.person not in self.deleted:
                self.seen["edits looked for"] += 1
                assert edit.value in kept, (told, edit)
        self._judge_people(told)

    def _judge_run(self) -> None:
        """What a person typed over does not come back on the side where it was typed over; nobody waits long."""
        for side, rows in (("local", self.tenant.local()), ("remote", self.tenant.remote())):
            there = {value for row in rows.values() for value in row.values()}
            for edit in self.edits:
                is_back = edit.is_overtaken and edit.side == side and edit.value in there
                assert not is_back or edit.person in self.deleted, (self._told, edit)
        longest = max(self.world.waits, default=0.0)
        assert longest <= LONGEST_PAUSE, (self._told, longest)

    def _judge_modified_reads(self) -> None:
        """Of a large table, reading what was modified tells everything but deletes. If the provider's clock was
        set back, edits may wait for the full comparison, too."""
        for _ in range(2):
            self._let_the_window_pass()
            self._sync()
        missed = [change for change in self._reconcile().plan.changes if change.kind is not ChangeKind.DELETE]
        self.seen["edits that waited for the full comparison"] += len(missed)
        assert self._is_provider_set_back or not missed, (self._told, missed)

    def _judge_people(self, told: str) -> None:
        """Nobody disappears whom nobody deleted."""
        rows = self.tenant.local()
        here = {_name(rows[key]) for key in _people(rows)}
        everybody = {f"p{number}" for number in range(1, self._number + 1)}
        assert everybody - self.deleted <= here <= everybody, told
        assert len(rows) - len(here) == self.bystanders, told

    def _kept_values(self) -> set[str]:
        """Values on a side now, or in the journal as carried over (perhaps without an answer, by a run that
        died) or as one of a conflict's."""
        kept = {value for row in self.tenant.local().values() for value in row.values()}
        for row in self.tenant.journal("applied", "superseded"):
            if row["state"] == "superseded" and not row["attempts"]:
                continue
            kept |= {str(value) for value in (row["after"] or {}).values()}
            for values in ((row["conflict"] or {}).get("fields") or {}).values():
                kept |= {str(value) for value in values.values()}
        return kept


#: Faults that make an answer look complete although it is not.
CUTS = ("truncate_page", "empty_page")
FAULTS: list[tuple[str, dict[str, object]]] = [
    ("drop_before", {}),
    ("drop_after", {}),
    ("status", {"status": 502}),
    ("status", {"status": 500, "method": "PATCH"}),
    ("rate_limit", {}),
    ("truncate_page", {}),
    ("empty_page", {}),
    ("expire_iterators", {}),
    ("blank_values", {}),
    ("blank_values", {"drops_key": True}),
]


def _name(row: dict[str, str]) -> str:
    """Who it is: the e-mail's first part, which no history changes."""
    return row.get("email", "").lower().split("@")[0]


def _people(rows: dict[str, dict[str, str]]) -> list[str]:
    """The keys of those whom a history is about, in an order that does not depend on the keys."""
    return sorted((key for key, row in rows.items() if _name(row).startswith("p")), key=lambda key: _name(rows[key]))


def tell(world: StrictWorld, seed: int) -> History:
    """One history, judged. Every third has no webhooks, and every twelfth a large table as well, so that all
    three ways of reading changes are walked."""
    world.airtable.set_options(allows_webhooks=seed % 3 != 0)
    bystanders = SMALL_TABLE + 5 if seed % 12 == 6 else 0
    # Every fourth lets edits settle, on both sides.
    settings = SETTINGS | ({"settle_seconds": 30} if seed % 4 == 1 else {})
    history = History(seed, world, world.tenant(f"s{seed}", **settings), bystanders)
    history.run()
    history.judge()
    return history

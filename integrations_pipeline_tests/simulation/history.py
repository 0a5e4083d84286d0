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
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import AgendaKind, ChangeKind, RunStatus
from integrations_pipeline.providers.airtable.feed import SMALL_TABLE
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline_tests.simulation.events import Crash, Events, name_of, people_of
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
#: So few people edit so much in a history that a guard would hold their ordinary days.
SETTINGS: dict[str, Any] = {
    "delete_policy": "propagate",
    "delete_limit": 1000,
    "delete_limit_fraction": 1.0,
    "change_limit": 1000,
    "change_limit_fraction": 1000,
    "create_limit_fraction": 1000,
}


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
    #: Everything is read after each thing that happens.
    is_reading_everything: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    edits: list[Edit] = field(default_factory=list)
    #: People (by the number in their first e-mail) that somebody deleted on some side.
    deleted: set[str] = field(default_factory=set)
    #: Who was deleted on one side while both sides were as agreed, and was not edited since, by name.
    deletes: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    number: int = 0
    #: By how many seconds the workspace's clock was set back: for so much longer a write counts as recent.
    _set_back: float = 0.0
    is_provider_set_back: bool = False
    #: A listing was cut short: a record that it hid, and nobody linked before, is found by reading everything.
    is_at_work: bool = False
    _edit_numbers: Iterator[int] = field(default_factory=count)
    chance: random.Random = field(init=False)

    events: Events = field(init=False)
    #: The base that the last run without a question about its place has looked at.
    place_known: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.events = Events(self)

    # Telling

    def run(self) -> None:
        self._begin()
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
            self._edit_local: 8,
            self._edit_remote: 8,
            self._edit_both: 2,
            self.add_local: 3,
            self.add_remote: 3,
            self.remove_local: 1,
            self.remove_remote: 1,
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
            **self.events.actions(),
        }

    def note(self, what: str) -> None:
        self.seen[what] += 1
        self.log.append(what)

    def _begin(self) -> None:
        """Both sides agree on a handful of people; whatever follows perturbs that."""
        if self.bystanders:
            people = [{"email": f"bystander{n}@example.org", "name": f"B {n}"} for n in range(self.bystanders)]
            self.tenant.add_remote(*people)
            self.sync()
            # Long ago, or reading what was modified would find all of them.
            self.world.clock.advance(DAY)
            self.seen.clear()
        for _ in range(self.chance.randint(3, 8)):
            self.chance.choice((self.add_local, self.add_remote))()
        self.sync()

    def new_person(self) -> tuple[str, dict[str, str]]:
        self.number += 1
        key = f"p{self.number}"
        email = f"{key}@example.org"
        fields = {"email": email.upper() if self.chance.random() < 0.1 else email, "name": f"{key} n0"}
        if self.chance.random() < 0.5:
            fields["company"] = f"{key} c0 Ünïcode"
        return key, fields

    def add_local(self) -> str:
        """Somebody new in the workspace; the id."""
        _, fields = self.new_person()
        contact_id = str(UUID(int=self.chance.getrandbits(128), version=4))
        with self.world.database.workspace(self.tenant.workspace_id) as connection:
            write = ContactWrite(contact_id=contact_id, fields=fields)
            assert contacts.insert_contacts(connection, self.tenant.workspace_id, [write])
        return contact_id

    def add_remote(self) -> None:
        self.tenant.add_remote(self.new_person()[1])

    def _edit(self, side: str, rows: dict[str, dict[str, str]], write: Callable[..., None]) -> None:
        people = people_of(rows)
        if people:
            key = self.chance.choice(people)
            self.type_in(side, rows[key], self.chance.choice(FIELDS), lambda **fields: write(key, **fields))

    def type_in(
        self, side: str, row: dict[str, str], name: str, write: Callable[..., None], value: str | None = None
    ) -> str:
        """Type a value into a field, by default one that nobody typed before; what was typed."""
        person = name_of(row)
        number = next(self._edit_numbers)
        if value is None:
            value = f"{person}.{number}.{side}@example.org" if name == "email" else f"{person} {name} {number} {side}"
        # Somebody's earlier value that is typed again is not an old one any more.
        self.edits = [each for each in self.edits if (each.person, each.name, each.value) != (person, name, value)]
        for earlier in self.edits:
            if (earlier.person, earlier.name, earlier.side) == (person, name, side):
                earlier.is_overtaken = True
        self.edits.append(Edit(side, person, name, value))
        self.deletes.discard(person)
        write(**{name: value})
        return value

    def _edit_both(self) -> None:
        """Two people type into one field of one contact, one on each side."""
        local, remote = self.tenant.local(), self.records()
        links = self.tenant.links()
        pairs = [(here, links[here]) for here in people_of(local) if links.get(here) in remote]
        if pairs:
            here, there = self.chance.choice(pairs)
            name = self.chance.choice(FIELDS)
            self.type_in("local", local[here], name, lambda **fields: self.tenant.edit_local(here, **fields))
            self.type_in("remote", remote[there], name, lambda **fields: self.tenant.edit_remote(there, **fields))

    def _edit_local(self) -> None:
        self._edit("local", self.tenant.local(), self.tenant.edit_local)

    def _edit_remote(self) -> None:
        self._edit("remote", self.records(), self.tenant.edit_remote)

    def remove_local(self) -> None:
        rows = self.tenant.local()
        if len(people := people_of(rows)) > 3:
            self.delete_local(self.chance.choice(people))

    def remove_remote(self) -> None:
        if len(people := people_of(self.records())) > 3:
            self.delete_remote(self.chance.choice(people))

    def delete_local(self, contact_id: str) -> None:
        self._is_leaving(name_of(self.tenant.local()[contact_id]), contact_id)
        self.tenant.delete_local(contact_id)

    def delete_remote(self, record_id: str) -> None:
        contact_id = {there: here for here, there in self.tenant.links().items()}.get(record_id, "")
        self._is_leaving(name_of(self.tenant.remote()[record_id]), contact_id)
        self.tenant.delete_remote(record_id)

    def _is_leaving(self, person: str, contact_id: str) -> None:
        self.deleted.add(person)
        self.deletes.discard(person)
        self.events.decided.pop(person, None)
        if contact_id in self.agreed() and person not in self.events.copied:
            self.deletes.add(person)

    def agreed(self) -> set[str]:
        """Linked contacts of which both sides hold what was agreed, and no edit waits."""
        kept = self.tenant.rows(
            "select l.contact_id::text c from integration_links l join workspace_contacts w on w.id = l.contact_id "
            "where w.version = l.contact_version and w.deleted_at is null"
        )
        local, remote, base, links = self.tenant.local(), self.records(), self.tenant.base(), self.tenant.links()
        return {
            row["c"] for row in kept if local.get(row["c"]) == base[row["c"]] == remote.get(links[row["c"]], {"": ""})
        }

    def records(self) -> dict[str, dict[str, str]]:
        """The provider's records that people work with: copies made by mistake are not among them."""
        return {key: row for key, row in self.tenant.remote().items() if key not in self.events.copies}

    # Runs

    def sync(self, *, is_full: bool = False) -> SyncReport | None:
        connection = self.tenant.connection
        if connection.status != "active":
            self.note("enabled_again")
            self.tenant.configure()
        self.world.waits.clear()
        self.is_at_work = True
        try:
            report = run_sync(self.world.runtime, self.tenant.request(is_full=is_full), self.world.progress)
        except (IntegrationError, Crash) as stopped:
            self.note(f"stopped by {type(stopped).__name__}")
            return None
        finally:
            self.is_at_work = False
        self.seen[f"run {report.status.value}"] += 1
        if not (self.tenant.means_its_place and self.tenant.approve_place()):
            self.place_known = self.tenant.base_id
        self.seen["runs that let edits settle"] += bool(report.settling)
        self._judge_run()
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
        # Records that neither a listing nor the question for them by id shows are deleted, as far as anyone can tell.
        times = 1 if action in CUTS else self.chance.randint(1, 2)
        self.world.fault(action, times=times, skip=self.chance.randint(0, 6), **rule)
        self.sync(is_full=self.chance.random() < 0.4)
        self.world.airtable.clear_faults()

    def _crashed_sync(self) -> None:
        """The process dies before a request leaves, or after the provider answered."""

        def die() -> None:
            raise Crash

        with self._at_some_request(die):
            self.sync(is_full=self.chance.random() < 0.3)

    @contextmanager
    def _at_some_request(self, deed: Callable[[], None]) -> Iterator[None]:
        left = self.chance.randint(1, 6)

        def tick(_: httpx.Request) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                deed()

        side = self.chance.choice(("before", "after"))
        setattr(self.world.network, side, tick)
        yield
        setattr(self.world.network, side, lambda _: None)

    def _raced_sync(self) -> None:
        """Somebody edits while the run is under way."""
        hooks = self.world.hooks
        edit = self.chance.choice((self._edit_local, self._edit_remote))
        moments = ["after_read", "before_recheck", "after_write"]
        # Between the re-read and the write Airtable offers nothing to guard with: docs/guarantees.md.
        moment = self.chance.choice([*moments, "before_write"] if edit == self._edit_local else moments)
        setattr(hooks, moment, edit)
        self.sync()
        self.note("edit during a run" if getattr(hooks, moment) is None else "edit missed the run")
        setattr(hooks, moment, None)

    def _lagging_syncs(self) -> None:
        """Reads of the table answer as it was before our own writes, for longer than a run takes."""
        self.sync()
        lag = Lag(self.tenant)
        with lag.behind():
            self._edit_local()
            self.add_local()
            self.sync(is_full=self.chance.random() < 0.5)
            self.world.clock.advance(self.chance.uniform(0, WINDOW / 3))
            self.sync(is_full=self.chance.random() < 0.5)
        self.seen["stale answers"] += lag.stale_reads

    # The provider's columns

    def _admin_renames(self) -> None:
        """A column gets another name, and somebody edits under it before a run comes."""
        self.tenant.rename_column(self.chance.choice(COLUMNS), f"Renamed {self.seen['_admin_renames']} {len(self.log)}")
        self._edit_remote()

    def _admin_swaps(self) -> None:
        """Two columns get each other's names."""
        # In a place where no run has been, the names are all that the first can go by.
        if self.place_known != self.tenant.base_id:
            return
        self.tenant.swap_columns(*self.chance.sample(COLUMNS, 2))
        self._edit_remote()

    # Time

    def _time_leaps(self) -> None:
        """Nothing happens for long: webhooks and page iterators may be gone when we come back."""
        self.world.clock.advance(self.chance.choice(LEAPS))

    def _edit_after_a_leap(self) -> None:
        """What an expired webhook keeps silent about is edited before the next run comes."""
        self._time_leaps()
        self._edit_remote()
        self.sync()

    def _provider_leaps(self) -> None:
        """The provider's clock alone is set, ahead or back."""
        seconds = self.chance.choice(SKEWS)
        self.world.server.stage.clock.advance(seconds)
        self.is_provider_set_back |= seconds < 0

    def _workspace_is_set_back(self) -> None:
        """The clock of our machine and of Postgres is put right by minutes; the provider's is not concerned."""
        seconds = self.chance.choice(SET_BACKS)
        self.world.clock.advance(-seconds)
        self.world.server.stage.clock.advance(seconds)
        self._set_back += seconds
        if self.chance.random() < 0.5:
            self.note("another Postgres takes over")
            with self.world.database.admin() as connection:
                # A standby whose clock is behind: tables without a write-ahead log are empty there.
                connection.exec_driver_sql("truncate provider_rate_limits")

    def _writes_around_a_set_back(self) -> None:
        """One field of one contact goes out twice, and the second time it is earlier than the first."""
        people = people_of(self.tenant.local())
        if people:
            key, name = self.chance.choice(people), self.chance.choice(FIELDS)
            self._type_and_sync(key, name)
            self._workspace_is_set_back()
            self._type_and_sync(key, name)
            self.sync(is_full=self.chance.random() < 0.5)

    def _type_and_sync(self, key: str, name: str) -> None:
        row = self.tenant.local().get(key)
        if row:
            self.type_in("local", row, name, lambda **fields: self.tenant.edit_local(key, **fields))
        self.sync()

    def _time_leaps_in_a_run(self) -> None:
        """The machine was asleep between two requests, or a clock is set."""
        deeds = [self._time_leaps, self._provider_leaps, self._workspace_is_set_back]
        with self._at_some_request(self.chance.choice(deeds)):
            self.sync(is_full=self.chance.random() < 0.5)

    def let_the_window_pass(self) -> None:
        """No read is older than a write any more, and by its own clock the workspace knows it."""
        self.world.clock.advance(2 * WINDOW + self._set_back)

    # The end

    def _settle(self) -> None:
        if self.bystanders:
            self._judge_modified_reads()
        plans = []
        self.events.end_copies()
        for _ in range(ROUNDS):
            self.let_the_window_pass()
            has_decided = self.events.answer_everything()
            # A delete that was set aside is told again by full reads only.
            report = self.sync(is_full=has_decided)
            if report and report.status is RunStatus.SUCCESS and not has_decided and not self._is_open(report):
                return
            plans.append(report and (report.status.value, report.error, report.plan.changes, report.results))
        raise AssertionError(f"seed {self.seed}: not settled after {ROUNDS} quiet runs; {plans[-1]}; {self.log}")

    @staticmethod
    def _is_open(report: SyncReport) -> bool:
        return bool(report.plan.changes or report.plan.skipped or report.settling)

    def _reconcile(self) -> SyncReport:
        """A full comparison, as every night brings one."""
        self.let_the_window_pass()
        report = self.sync(is_full=True)
        assert report is not None, self.told
        return report

    # Judging

    @property
    def told(self) -> str:
        return f"seed {self.seed}: {self.log}"

    def judge(self) -> None:
        """Everything that must hold after the last quiet run; a full comparison finds nothing either."""
        told = self.told
        full = self._reconcile()
        assert not full.plan.changes, (told, full.plan.changes)
        self.tenant.assert_in_sync()
        for rows in (self.tenant.local(), self.tenant.remote()):
            emails = [row["email"].lower() for row in rows.values()]
            assert len(emails) == len(set(emails)), told
        kept, emails_kept = self._kept_values(), self._kept_emails()
        for edit in self.edits:
            if not edit.is_overtaken and edit.person not in self.deleted:
                self.seen["edits looked for"] += 1
                is_kept = (edit.person, edit.value) in emails_kept if edit.name == "email" else edit.value in kept
                assert is_kept, (told, edit)
        self._judge_people(told)
        self.events.judge()

    def _judge_run(self) -> None:
        """What a person typed over does not come back on the side where it was typed over; nobody waits long."""
        for side, rows in (("local", self.tenant.local()), ("remote", self.tenant.remote())):
            there = {(name_of(row), value) for row in rows.values() for value in row.values()}
            for edit in self.edits:
                is_back = edit.is_overtaken and edit.side == side and (edit.person, edit.value) in there
                assert not is_back or edit.person in self.deleted, (self.told, edit)
        longest = max(self.world.waits, default=0.0)
        assert longest <= LONGEST_PAUSE, (self.told, longest)

    def _judge_modified_reads(self) -> None:
        """Of a large table, reading what was modified tells everything but deletes. If the provider's clock was
        set back, edits may wait for the full comparison, too."""
        for _ in range(2):
            self.let_the_window_pass()
            self.sync()
        # What a person has to solve is planned again by every run that meets it.
        open_ids = {item.contact_id for item in self.tenant.agenda.items if item.kind is not AgendaKind.RETRY}
        changes = [each for each in self._reconcile().plan.changes if each.contact_id not in open_ids]
        missed = [change for change in changes if change.kind is not ChangeKind.DELETE]
        self.seen["edits that waited for the full comparison"] += len(missed)
        assert self.is_provider_set_back or not missed, (self.told, missed)

    def _judge_people(self, told: str) -> None:
        """Nobody disappears whom nobody deleted."""
        rows = self.tenant.local()
        here = {name_of(rows[key]) for key in people_of(rows)}
        everybody = {f"p{number}" for number in range(1, self.number + 1)}
        assert everybody - self.deleted <= here <= everybody, (told, everybody - self.deleted - here, here - everybody)
        assert len(rows) - len(here) == self.bystanders, told

    def _kept_emails(self) -> set[tuple[str, str]]:
        """The same for e-mails, which go from one to the other: whose each is or was."""
        found = self.tenant.rows("select id::text, split_part(name, ' ', 1) person from workspace_contacts")
        people = {row["id"]: row["person"] for row in found}
        kept = {(name_of(row), row.get("email", "")) for row in self.tenant.local().values()}
        for row in self.tenant.journal("applied", "superseded"):
            after = row["after"] or {}
            person = people.get(row["contact_id"] or "") or name_of(after)
            conflict = ((row["conflict"] or {}).get("fields") or {}).get("email", {})
            kept |= {(person, str(value)) for value in (after.get("email", ""), *conflict.values())}
        return kept

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


def tell(world: StrictWorld, seed: int) -> History:
    """One history, judged. Every third has no webhooks, and every twelfth a large table as well, so that all
    three ways of reading changes are walked."""
    world.airtable.set_options(allows_webhooks=seed % 3 != 0)
    bystanders = SMALL_TABLE + 5 if seed % 12 == 6 else 0
    # Every fourth lets edits settle, on both sides.
    settings = SETTINGS | ({"settle_seconds": 30} if seed % 4 == 1 else {})
    # In every fourth a person decides about deletes; in every sixth everything is read after each step.
    settings |= {"delete_policy": "hold"} if seed % 4 == 2 else {}
    tenant = world.tenant(f"s{seed}", **settings)
    history = History(seed, world, tenant, bystanders, is_reading_everything=seed % 6 == 4)
    history.run()
    history.judge()
    return history

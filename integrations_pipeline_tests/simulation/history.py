"""Random histories of one workspace and its Airtable base: edits on both sides, runs, faults, crashes, time.

Belongs here: what is a base's own, and time that leaps. Does not: telling and judging as such (`sync.telling`), rarer
events (`events`), how many (`test_histories`, `__main__`), what makes a seed tell the same again (`world`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from integrations_pipeline.model import AgendaKind, ChangeKind
from integrations_pipeline.providers.airtable.feed import SMALL_TABLE
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.simulation.events import BaseEvents
from integrations_pipeline_tests.simulation.world import WINDOW, StrictWorld
from integrations_pipeline_tests.sync.arrangement import Tenant, Value, as_text
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.crashes import Crash
from integrations_pipeline_tests.sync.lag import Lag
from integrations_pipeline_tests.sync.telling import Row, Telling, person_of, told

#: Their columns, as the mapping names them, that an admin may rename.
COLUMNS = ("Company", "Phone", "Job Title")
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
#: Faults that make an answer look complete although it is not.
CUTS = ("truncate_page", "empty_page")
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
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
)


@dataclass
class History(Telling):
    world: StrictWorld
    tenant: Tenant
    #: More people at the provider whom nobody touches: a large table is read by modification time.
    bystanders: int = 0
    #: Who was deleted on one side while both sides were as agreed, and was not edited since, by name.
    deletes: set[str] = field(default_factory=set)
    #: By how many seconds the workspace's clock was set back: for so much longer a write counts as recent.
    set_back: float = 0.0
    is_provider_set_back: bool = False

    FIELDS = ("name", "company", "phone", "job_title")
    SHARED = FIELDS
    FAULTS = FAULTS
    FEWEST_PEOPLE = 3
    PAUSES = PAUSES

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events = BaseEvents(self)

    # Telling

    def actions(self) -> dict[Callable[[], Any], int]:
        return {
            self.edit_local: 8, self.edit_remote: 8, self.edit_both: 2, self.add_local: 3, self.add_remote: 3,
            self.delete_local: 1, self.delete_remote: 1, self.plain_sync: 5, self.full_sync: 2, self.faulty_sync: 4,
            self.crashed_sync: 3, self.raced_sync: 2, self.lagging_syncs: 2, self.time_leaps: 1, self.provider_leaps: 1,
            self.workspace_is_set_back: 1, self.writes_around_a_set_back: 1, self.time_leaps_in_a_run: 1,
            self.edit_after_a_leap: 1, self.admin_renames: 1, self.admin_swaps: 1,
            **self.events.actions(),
        }  # fmt: skip

    def begin(self) -> None:
        if self.bystanders:
            people = [{"email": f"bystander{n}@example.org", "name": f"B {n}"} for n in range(self.bystanders)]
            self.tenant.add_remote(*people)
            self.sync()
            # Long ago, or reading what was modified would find all of them.
            self.world.clock.advance(DAY)
            self.seen.clear()
        super().begin()

    def somebody(self) -> dict[str, Value]:
        return self.plain_person(self.chance.random() < 0.1)

    def add_local(self) -> str:
        """Somebody new in the workspace; the id."""
        fields = {name: as_text(value) for name, value in self.somebody().items()}
        contact_id = str(UUID(int=self.chance.getrandbits(128), version=4))
        with self.world.database.workspace(self.tenant.workspace_id) as connection:
            write = ContactWrite(contact_id=contact_id, fields=fields)
            assert contacts.insert_contacts(connection, self.tenant.workspace_id, [write])
        return contact_id

    def people(self, rows: Mapping[str, Row]) -> list[str]:
        """Those whom a history is about."""
        return super().people({key: row for key, row in rows.items() if person_of(row).startswith("p")})

    def rows(self, side: str) -> dict[str, dict[str, str]]:
        return self.records() if side == "remote" else super().rows(side)

    def type_in(self, side: str, key: str, name: str, value: str | None = None) -> None:
        self.deletes.discard(person_of((self.tenant.local() if side == "local" else self.tenant.remote())[key]))
        super().type_in(side, key, name, value)

    def edit_local(self) -> None:
        self.edit_some("local")

    def edit_remote(self) -> None:
        self.edit_some("remote")

    def edit_some(self, side: str) -> None:
        if key := self.pick(self.rows(side)):
            self.type_in(side, key, self.chance.choice(self.FIELDS))

    def remove(self, side: str) -> None:
        rows = self.rows(side)
        if len(self.people(rows)) > 3:
            self.leave(side, self.pick(rows))

    def is_leaving(self, person: str, side: str, key: str) -> None:
        super().is_leaving(person, side, key)
        contacts_of = {there: here for here, there in self.tenant.links().items()}
        self.deletes.discard(person)
        self.events.decided.pop(person, None)
        contact_id = key if side == "local" else contacts_of.get(key, "")
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

    @property
    def progress(self) -> Callable[[str, int, int], None]:
        return self.world.progress

    def times_of(self, action: str) -> int:
        """Records that neither a listing nor the question for them by id shows are deleted, as far as anyone can
        tell."""
        return 1 if action in CUTS else super().times_of(action)

    def crashed_sync(self) -> None:
        """The process dies before a request leaves, or after the provider answered."""

        def die() -> None:
            raise Crash

        with self.at_some_request(die):
            self.sync(is_full=self.chance.random() < 0.3)

    @contextmanager
    def at_some_request(self, deed: Callable[[], None]) -> Iterator[None]:
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

    def lagging_syncs(self) -> None:
        """Reads of the table answer as it was before our own writes, for longer than a run takes."""
        self.sync()
        lag = Lag(self.tenant)
        with lag.behind():
            self.edit_local()
            self.add_local()
            self.sync(is_full=self.chance.random() < 0.5)
            self.world.clock.advance(self.chance.uniform(0, WINDOW / 3))
            self.sync(is_full=self.chance.random() < 0.5)
        self.seen["stale answers"] += lag.stale_reads

    # The provider's columns

    def admin_renames(self) -> None:
        """A column gets another name, and somebody edits under it before a run comes."""
        # In a place where no run has been, the names are all that the first can go by.
        if self.place_known != self.tenant.base_id:
            return
        self.tenant.rename_column(self.chance.choice(COLUMNS), f"Renamed 0 {len(self.log)}")
        self.edit_remote()

    def admin_swaps(self) -> None:
        """Two columns get each other's names."""
        if self.place_known != self.tenant.base_id:
            return
        self.tenant.swap_columns(*self.chance.sample(COLUMNS, 2))
        self.edit_remote()

    # Time

    def time_leaps(self) -> None:
        """Nothing happens for long: webhooks and page iterators may be gone when we come back."""
        self.world.clock.advance(self.chance.choice(LEAPS))

    def edit_after_a_leap(self) -> None:
        """What an expired webhook keeps silent about is edited before the next run comes."""
        self.time_leaps()
        self.edit_remote()
        self.sync()

    def provider_leaps(self) -> None:
        """The provider's clock alone is set, ahead or back."""
        seconds = self.chance.choice(SKEWS)
        self.world.server.stage.clock.advance(seconds)
        self.is_provider_set_back |= seconds < 0

    def workspace_is_set_back(self) -> None:
        """The clock of our machine and of Postgres is put right by minutes; the provider's is not concerned."""
        seconds = self.chance.choice(SET_BACKS)
        self.world.clock.advance(-seconds)
        self.world.server.stage.clock.advance(seconds)
        self.set_back += seconds
        if self.chance.random() < 0.5:
            self.note("another Postgres takes over")
            with self.world.database.admin() as connection:
                # A standby whose clock is behind: tables without a write-ahead log are empty there.
                connection.exec_driver_sql("truncate provider_rate_limits")

    def writes_around_a_set_back(self) -> None:
        """One field of one contact goes out twice, and the second time it is earlier than the first."""
        people = self.people(self.tenant.local())
        if people:
            key, name = self.chance.choice(people), self.chance.choice(self.FIELDS)
            self.type_and_sync(key, name)
            self.workspace_is_set_back()
            self.type_and_sync(key, name)
            self.sync(is_full=self.chance.random() < 0.5)

    def type_and_sync(self, key: str, name: str) -> None:
        if key in self.tenant.local():
            self.type_in("local", key, name)
        self.sync()

    def time_leaps_in_a_run(self) -> None:
        """The machine was asleep between two requests, or a clock is set."""
        deeds = [self.time_leaps, self.provider_leaps, self.workspace_is_set_back]
        with self.at_some_request(self.chance.choice(deeds)):
            self.sync(is_full=self.chance.random() < 0.5)

    def let_the_window_pass(self) -> None:
        """No read is older than a write any more, and by its own clock the workspace knows it."""
        self.world.clock.advance(2 * WINDOW + self.set_back)

    # The end

    def settle(self) -> None:
        if self.bystanders:
            self.judge_modified_reads()
        self.events.end_copies()
        super().settle()

    def answer_everything(self) -> bool:
        return self.events.answer_everything()

    def is_open(self, report: SyncReport) -> bool:
        return super().is_open(report) or bool(report.settling)

    # Judging

    def judge_run(self, report: SyncReport) -> None:
        """What a person typed over does not come back on the side where it was typed over; nobody waits long. A copy
        that was made by mistake keeps what it was made with."""
        for side, rows in (("local", self.tenant.local()), ("remote", self.records())):
            there = {(person_of(row), value) for row in rows.values() for value in row.values()}
            for edit in self.edits:
                is_back = edit.is_overtaken and edit.side == side and (edit.person, edit.value) in there
                assert not is_back or edit.person in self.deleted | self.events.copied, (self.told, edit)
        longest = max(self.world.waits, default=0.0)
        assert longest <= LONGEST_PAUSE, (self.told, longest)

    def judge_modified_reads(self) -> None:
        """Of a large table, reading what was modified tells everything but deletes. If the provider's clock was
        set back, edits may wait for the full comparison, too."""
        for _ in range(2):
            self.let_the_window_pass()
            self.sync()
        # What a person has to solve is planned again by every run that meets it.
        open_ids = {item.contact_id for item in self.tenant.agenda.items if item.kind is not AgendaKind.RETRY}
        changes = [each for each in self.reconcile().plan.changes if each.contact_id not in open_ids]
        missed = [change for change in changes if change.kind is not ChangeKind.DELETE]
        self.seen["edits that waited for the full comparison"] += len(missed)
        assert self.is_provider_set_back or not missed, (self.told, missed)

    def unique(self, rows: Mapping[str, Row]) -> list[list[str]]:
        return super().unique(rows)[:1]

    def judge_people(self) -> None:
        super().judge_people()
        rows = self.tenant.local()
        assert len(rows) - len(self.people(rows)) == self.bystanders, self.told

    def judge(self) -> None:
        super().judge()
        self.events.judge()


def tell(world: StrictWorld, seed: int) -> Any:
    """One history, judged. Every third has no webhooks, and every twelfth a large table as well, so that all
    three ways of reading changes are walked."""
    world.airtable.set_options(allows_webhooks=seed % 3 != 0)
    bystanders = SMALL_TABLE + 5 if seed % 12 == 6 else 0
    # Every fourth lets edits settle, on both sides.
    settings = NO_LIMIT | ({"settle_seconds": 30} if seed % 4 == 1 else {})
    # In every fourth a person decides about deletes; in every sixth everything is read after each step.
    settings |= {"delete_policy": "hold"} if seed % 4 == 2 else {}
    tenant = world.tenant(f"s{seed}", **settings)
    return told(History(seed, world, tenant, is_reading_everything=seed % 6 == 4, bystanders=bystanders))

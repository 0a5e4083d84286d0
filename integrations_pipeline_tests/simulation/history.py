"""Random histories of one workspace and its Airtable base: edits on both sides, runs, faults, crashes.

One seed is one history. Every value that somebody types is unique, so that afterwards each can be looked
for: on both sides, or in the journal as carried over or as the loser of a conflict. Belongs here: making
histories and judging them. Does not: how many (`test_histories`, `__main__`).
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

import httpx

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import RunStatus
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.sync.arrangement import Tenant, World
from integrations_pipeline_tests.sync.lag import Lag, let_the_window_pass

FIELDS = ("name", "company", "phone", "job_title")
STEPS = 24
#: Quiet runs after the last fault within which everything must have settled.
ROUNDS = 4


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


class StrictWorld(World):
    """Reads may lag behind writes as the product expects, and new ids follow the seed."""

    ids: random.Random

    @property
    def runtime(self) -> Runtime:
        return replace(super().runtime, new_id=lambda: UUID(int=self.ids.getrandbits(128), version=4))


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
    tenant: Tenant
    seen: Counter[str] = field(default_factory=Counter)
    edits: list[Edit] = field(default_factory=list)
    #: People (by the number in their first e-mail) that somebody deleted on some side.
    deleted: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    _number: int = 0
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
            self._clock_jump: 1,
            self._lagging_syncs: 2,
        }

    def _note(self, what: str) -> None:
        self.seen[what] += 1
        self.log.append(what)

    def _begin(self) -> None:
        """Both sides agree on a handful of people; whatever follows perturbs that."""
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
        with self.tenant.world.database.workspace(self.tenant.workspace_id) as connection:
            write = ContactWrite(contact_id=contact_id, fields=fields)
            contacts.insert_contacts(connection, self.tenant.workspace_id, [write])

    def _add_remote(self) -> None:
        self.tenant.add_remote(self._new()[1])

    def _edit(self, side: str, rows: dict[str, dict[str, str]], write: Callable[..., None]) -> None:
        if rows:
            key = self._random.choice(sorted(rows, key=lambda each: rows[each].get("email", "").lower()))
            self._type(side, rows[key], self._random.choice(FIELDS), lambda **fields: write(key, **fields))

    def _type(self, side: str, row: dict[str, str], name: str, write: Callable[..., None]) -> None:
        person = row.get("email", "").lower().split("@")[0]
        value = f"{person} {name} {len(self.edits)} {side}"
        for earlier in self.edits:
            if (earlier.person, earlier.name, earlier.side) == (person, name, side):
                earlier.is_overtaken = True
        self.edits.append(Edit(side, person, name, value))
        write(**{name: value})

    def _edit_both(self) -> None:
        """Two people type into one field of one contact, one on each side."""
        local, remote = self.tenant.local(), self.tenant.remote()
        pairs = [(here, there) for here, there in self.tenant.links().items() if here in local and there in remote]
        if pairs:
            here, there = self._random.choice(sorted(pairs, key=lambda pair: local[pair[0]].get("email", "").lower()))
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
        if len(rows) > 3:
            key = self._random.choice(sorted(rows, key=lambda each: rows[each].get("email", "").lower()))
            self.deleted.add(rows[key].get("email", "").lower().split("@")[0])
            delete(key)

    # Runs

    def _sync(self, *, is_full: bool = False) -> SyncReport | None:
        connection = self.tenant.connection
        if connection.status != "active":
            self._note("enabled_again")
            self.tenant.configure()
        self.tenant.world.waits.clear()
        try:
            report = run_sync(self.tenant.world.runtime, self.tenant.request(is_full=is_full))
        except (IntegrationError, Crash) as stopped:
            self._note(f"stopped by {type(stopped).__name__}")
            return None
        self.seen[f"run {report.status.value}"] += 1
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
        self.tenant.world.fault(action, times=self._random.randint(1, 2), skip=self._random.randint(0, 6), **rule)
        self._sync(is_full=self._random.random() < 0.4)
        self.tenant.world.airtable.clear_faults()

    def _crashed_sync(self) -> None:
        """The process dies before a request leaves, or after the provider answered."""
        left = [self._random.randint(1, 8)]

        def tick(_: httpx.Request) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Crash

        side = self._random.choice(("before", "after"))
        setattr(self.tenant.world.network, side, tick)
        self._sync(is_full=self._random.random() < 0.3)
        setattr(self.tenant.world.network, side, lambda _: None)

    def _raced_sync(self) -> None:
        """Somebody edits while the run is under way."""
        hooks = self.tenant.world.hooks
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
            self._sync(is_full=self._random.random() < 0.5)
        self.seen["stale answers"] += lag.stale_reads

    def _clock_jump(self) -> None:
        """The provider's clock leaps ahead: webhooks and page iterators may be gone when we come back."""
        self.tenant.world.server.stage.clock.advance(self._random.choice((3600, 8 * 24 * 3600, 15 * 24 * 3600)))

    def _settle(self) -> None:
        plans = []
        for _ in range(ROUNDS):
            let_the_window_pass(self.tenant.world)
            report = self._sync()
            if report and not report.plan.changes and report.status is RunStatus.SUCCESS:
                return
            plans.append(report and (report.status.value, report.error, report.plan.changes, report.results))
        raise AssertionError(f"seed {self.seed}: not settled after {ROUNDS} quiet runs; {plans[-1]}; {self.log}")

    # Judging

    def judge(self) -> None:
        """Everything that must hold after the last quiet run; a full comparison finds nothing either."""
        told = f"seed {self.seed}: {self.log}"
        let_the_window_pass(self.tenant.world)
        full = self._sync(is_full=True)
        assert full is not None, told
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

    def _judge_people(self, told: str) -> None:
        """Nobody disappears whom nobody deleted."""
        here = {row["email"].lower().split("@")[0] for row in self.tenant.local().values()}
        everybody = {f"p{number}" for number in range(1, self._number + 1)}
        assert everybody - self.deleted <= here <= everybody, told

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


FAULTS: list[tuple[str, dict[str, object]]] = [
    ("drop_before", {}),
    ("drop_after", {}),
    ("status", {"status": 502}),
    ("status", {"status": 500, "method": "PATCH"}),
    ("rate_limit", {}),
    ("truncate_page", {}),
    ("empty_page", {}),
    ("expire_iterators", {}),
]

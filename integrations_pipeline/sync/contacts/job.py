"""The contacts' job of a run: extract, plan, load, checkpoint; and its preview, which stops after the plan.

Belongs here: the order of the stages, and what they came to as counts of the log. Does not: any stage's work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from integrations_pipeline.engine.tally import tally
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import DIRECTION_OF, Change, ChangeState, Direction, Outcome, Plan, RunStatus, Side
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store import connections, sync_log
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.sync.contacts import place
from integrations_pipeline.sync.contacts.acknowledge import Known, Ledger
from integrations_pipeline.sync.contacts.checkpoint import checkpoint
from integrations_pipeline.sync.contacts.extract import Extracted, extract
from integrations_pipeline.sync.contacts.load import load
from integrations_pipeline.sync.contacts.recovery import settle_doubts
from integrations_pipeline.sync.full_reads import is_full_read_due
from integrations_pipeline.sync.job import Tally
from integrations_pipeline.sync.runtime import Run

_UNTRIED = "the run stopped before this change; the next run takes it up"


@dataclass(slots=True, kw_only=True)
class ContactsJob:
    """Implements `sync.job.Job`. `scope`: what its journal rows belong to. `plan_id`: apply what that preview showed,
    and nothing else.

    The other fields tell how far it came. `ways`: the direction in which contacts go, None for neither; `left_out`: how
    many changes of the preview no longer applied.
    """

    scope: JournalScope
    is_full: bool = False
    plan_id: UUID | None = None
    ways: Direction | None = None
    extracted: Extracted | None = None
    plan: Plan = field(default_factory=Plan)
    ledger: Ledger | None = None
    left_out: int = 0
    read_calls: int = 0

    def run(self, run: Run, direction: Direction) -> bool:
        self.ways = _ways(run.spec, direction)
        if self.ways is None:
            with run.session.begin() as connection:
                connections.record_success(connection, run.connection.id, is_due_again=False)
            return True
        before = run.call_count
        run = settle_doubts(run)
        self.extracted, found = self._found(run, self.ways)
        if self.extracted.world is None and self.plan_id is None:
            # Most runs of most workspaces: nothing was told of anybody, so nothing is done.
            self.plan, self.read_calls = found, run.call_count - before
            checkpoint(run, self.extracted, found, (), self.scope)
            return True
        if place.is_elsewhere(self.extracted, found):
            if not place.is_meant(run, self.extracted, found):
                self.read_calls = run.call_count - before
                self.plan = place.ask(run, self.extracted, found, self.scope)
                return True
            place.start_anew(run, self.scope)
            run = replace(run, connection=replace(run.connection, cursor=None))
            self.extracted, found = self._found(run, self.ways)
        self.read_calls = run.call_count - before
        self.plan, self.left_out = _chosen(run, found, self.plan_id)
        is_written_here = self.ways.allows(Side.LOCAL)
        local_names = {rule.name for rule in run.rules if rule.to_local and is_written_here}
        self.extracted = _planned_out(self.extracted, self.plan)
        known = Known(
            recent=self.extracted.recent,
            local_names=frozenset(local_names),
            waiting=run.agenda,
            fingerprints=self.extracted.fingerprints,
        )
        self.ledger = Ledger(self.scope, self.plan, known)
        load(run, self.plan, self.ledger)
        self._leave(run, self.extracted, self.ledger)
        return True

    def finish(self, run: Run) -> None:  # noqa: ARG002 - the checkpoint was the last of it
        return None

    def preview(self, run: Run, direction: Direction) -> Tally:
        """What a run would come to. Reads and plans, and applies nothing: only the journal gets the changes, state
        `planned`."""
        self.ways = _ways(run.spec, direction)
        if self.ways is None:
            raise ConfigurationError(f"{run.spec.name} takes no contacts: there is nothing to preview that way")
        self.extracted, self.plan = self._found(run, self.ways)
        if place.is_elsewhere(self.extracted, self.plan) and not place.is_meant(run, self.extracted, self.plan):
            self.plan = place.ask(run, self.extracted, self.plan, self.scope)
        with run.session.begin() as connection:
            journal.record_changes(connection, self.scope, self.plan.changes, ChangeState.PLANNED)
            activity = Activity(
                integration_name=run.spec.name,
                action="plan",
                success=True,
                records_affected=len(self.plan.changes),
                metadata={"plan_id": str(self.scope.plan_id)},
            )
            sync_log.record_activity(connection, run.connection.workspace_id, activity)
        outcomes = [Outcome(change=change, state=ChangeState.APPLIED) for change in self.plan.changes]
        status = RunStatus.REFUSED if self.plan.refusals else RunStatus.SUCCESS
        return replace(self._tally(outcomes), status=status, metadata={"preview": True})

    def tally(self, *, is_over: bool) -> Tally:
        done = list(self.ledger.outcomes) if self.ledger else []
        if not is_over:
            return self._tally([*done, *(self.ledger.untried(_UNTRIED) if self.ledger else [])])
        told = self._tally(done)
        is_partial = bool(self.left_out) or any(told.errors.values())
        status = RunStatus.PARTIAL if is_partial else RunStatus.SUCCESS
        more = {"preview_changes_left_out": self.left_out, "refusals": list(self.plan.refusals)}
        metadata = {**told.metadata, **{name: value for name, value in more.items() if value}}
        return replace(told, status=RunStatus.REFUSED if self.plan.refusals else status, metadata=metadata)

    def _tally(self, outcomes: Sequence[Outcome]) -> Tally:
        """What a run that did its work, one that stopped and a preview have in common."""
        if self.ways is None:
            return Tally()
        counts = tally(self.plan, outcomes)
        ways = [way for side, way in DIRECTION_OF.items() if self.ways.allows(side)]
        told = Tally(
            counts={way: counts[way] for way in ways if way in counts},
            errors={way: _failures(outcomes, way) for way in ways},
            read_calls=self.read_calls,
            plan=self.plan,
        )
        # What is wrong with the read is told once, on the row of the way in where there is one.
        return told if self.extracted is None else _with_read(told, self.extracted, ways[-1])

    def _found(self, run: Run, ways: Direction) -> tuple[Extracted, Plan]:
        """Both sides, and what is to be done about them. Nothing is done before the provider's columns were looked at:
        where they are not what they were taken for, both sides are read again."""
        is_full = self.is_full or _is_full_read_due(run, ways)
        extracted = extract(run, direction=ways, is_full=is_full)
        plan = _planned(extracted, ways)
        is_something, provider = extracted.has_absent or not plan.is_empty, run.provider
        if provider.looked is None and is_something and (provider.look().is_news or extracted.has_absent):
            extracted = extract(run, direction=ways, is_full=is_full)
            plan = _planned(extracted, ways)
        looked = provider.looked
        if looked is not None and looked.stopped and run.settings.on_schema_change == "stop_connection":
            name, reason = next(iter(looked.stopped.items()))
            raise ConfigurationError(f"{name} is stopped, and on_schema_change stops the connection with it: {reason}")
        return extracted, plan

    def _leave(self, run: Run, extracted: Extracted, ledger: Ledger) -> None:
        if self.plan_id is None:
            checkpoint(run, extracted, self.plan, ledger.outcomes, self.scope)
            return
        with run.session.begin() as connection:
            journal.close_plan(connection, self.plan_id)
            # What the preview did not show waits for a run of its own: the cursor stays before it.
            connections.record_success(connection, run.connection.id, is_due_again=True)


def _planned(extracted: Extracted, ways: Direction) -> Plan:
    if extracted.world is None:
        return Plan(direction=ways, considered=dict.fromkeys((Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL), 0))
    from integrations_pipeline.engine.frames import release  # noqa: PLC0415 - pandas, where there is something to plan
    from integrations_pipeline.engine.plan import plan_sync  # noqa: PLC0415 - the same

    plan = plan_sync(extracted.world)
    release()
    return plan


def _planned_out(extracted: Extracted, plan: Plan) -> Extracted:
    """Without the world, which nobody looks at again, and of the fingerprints only those of records that will be as
    agreed."""
    if extracted.world is None:
        return extracted
    from integrations_pipeline.engine.frames import release  # noqa: PLC0415 - pandas, as above
    from integrations_pipeline.sync.contacts.settled import settled  # noqa: PLC0415 - the same

    found = settled(extracted.world, plan, extracted.fingerprints)
    release()
    return replace(extracted, fingerprints=found, world=None)


def _ways(spec: ProviderSpec, wanted: Direction) -> Direction | None:
    """The direction in which contacts go: as asked for, as far as the provider can; None for neither."""
    sides = [side for side in Side if wanted.allows(side) and spec.capabilities.directions.allows(side)]
    if len(sides) == len(Side):
        return Direction.BIDIRECTIONAL
    return DIRECTION_OF[sides[0]] if sides else None


def _is_full_read_due(run: Run, ways: Direction) -> bool:
    """A run that only writes to the provider does not take what it reads there, so it cannot make up for one."""
    is_taking = ways is not Direction.TO_EXTERNAL
    return is_taking and is_full_read_due(run.connection.last_full_at, run.runtime.clock(), run.spec)


def _chosen(run: Run, plan: Plan, plan_id: UUID | None) -> tuple[Plan, int]:
    """The plan, cut down to what a preview showed, and how many of its changes no longer apply.

    Of a contact whose situation changed since the preview nothing at all is applied.
    """
    if plan_id is None:
        return plan, 0
    with run.session.begin() as connection:
        shown = {_key(change) for change in journal.read_plan(connection, run.connection.id, plan_id)}
    fresh = {_key(change) for change in plan.changes}
    moved = {key[2:4] for key in shown ^ fresh}
    chosen = [change for change in plan.changes if _key(change)[2:4] not in moved]
    left_out = len({key for key in shown if key[2:4] in moved})
    return replace(plan, changes=tuple(chosen)), left_out


def _key(change: Change) -> tuple[object, ...]:
    fields = (tuple(sorted(part.items())) for part in (change.before, change.after))
    return (change.side, change.kind, change.contact_id, change.external_id, *fields)


def _failures(outcomes: Sequence[Outcome], way: Direction) -> list[str]:
    """One line per record that failed, by our id and theirs, never by e-mail."""
    return [
        f"{outcome.change.kind.value} of {outcome.change.contact_id or outcome.change.external_id}: {outcome.reason}"
        for outcome in outcomes
        if (outcome.state is ChangeState.FAILED or outcome.lost) and DIRECTION_OF[outcome.change.side] is way
    ]


def _with_read(told: Tally, extracted: Extracted, way_in: Direction) -> Tally:
    """Besides what the read came to."""
    more = {
        "stopped_fields": dict(extracted.silent),
        "settling": len(extracted.settling),
        "notices": list(extracted.notices),
    }
    read = "complete" if extracted.is_complete else "incremental"
    return replace(
        told,
        errors={**told.errors, way_in: [*told.errors[way_in], *_problems(extracted)]},
        metadata={"read": read} | {name: value for name, value in more.items() if value},
        stopped_fields=extracted.silent,
        newly_stopped=extracted.newly_stopped,
        notices=extracted.notices,
    )


def _problems(extracted: Extracted) -> list[str]:
    """What is wrong with the read, told in the run that meets it: fields that stopped, and records without values."""
    stopped = [f"{name} is stopped: {extracted.silent[name]}" for name in sorted(extracted.newly_stopped)]
    return stopped + [
        f"record {key} came without any value and had some: it is left alone until it shows them (or is deleted)"
        for key in sorted(extracted.blank)
    ]

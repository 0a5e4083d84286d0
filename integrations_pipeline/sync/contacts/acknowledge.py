"""The ledger of one run: journal rows of its changes, and how far each contact has come.

Belongs here: turning outcomes into journal states and base advances, in the caller's transaction. Does not:
making the writes (`load`, `deliver`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from integrations_pipeline.errors import PermanentError, RetryableError
from integrations_pipeline.model import (
    Agenda,
    AgendaItem,
    AgendaKind,
    Change,
    ChangeKind,
    ChangeState,
    Direction,
    Normalised,
    Outcome,
    Plan,
    Side,
)
from integrations_pipeline.store import agenda, contacts, links
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store.arrivals import Arrival
from integrations_pipeline.store.changes import JournalScope, StateChange
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.links import LinkWrite

_WRITES = (ChangeKind.CREATE, ChangeKind.UPDATE)
#: Behind the reason of what is superseded.
_REPEATED = "; it was so in the run before: look at it on both sides"
_ANOTHERS = "the provider's answer names the record of another contact; the next run looks again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a run knows besides its plan. `recent`: remote records that we wrote so recently that a read may not show it
    yet. `local_names`: the fields that it may write in the workspace. `waiting`: tells since when something fails.
    `fingerprints`: of the records as they were read, by id.
    """

    recent: Set[str] = frozenset()
    local_names: Set[str] = frozenset()
    waiting: Agenda = field(default_factory=Agenda)
    fingerprints: Mapping[str, str] = field(default_factory=dict)


def _lacks(outcome: Outcome) -> bool:
    """Whether an update was made but for some of its fields."""
    return bool(outcome.lost) and outcome.change.kind is ChangeKind.UPDATE


def _of_lost(outcome: Outcome) -> Change:
    """What of the update was not made: it stands in the journal as failed, of its own."""
    before, after = (
        {name: value for name, value in fields.items() if name in outcome.lost}
        for fields in (outcome.change.before, outcome.change.after)
    )
    return replace(outcome.change, before=before, after=after, reason=outcome.reason, id=uuid4())


def _is_claim(outcome: Outcome) -> bool:
    """Whether the answer says which record is the contact's from now on."""
    change = outcome.change
    is_told = outcome.state is ChangeState.APPLIED and change.side is Side.REMOTE and bool(outcome.external_id)
    return is_told and (change.kind is ChangeKind.CREATE or outcome.external_id != change.external_id)


def _as_unclear(outcome: Outcome) -> Outcome:
    return replace(
        outcome,
        state=ChangeState.FAILED,
        external_id=outcome.change.external_id,
        reason=_ANOTHERS,
        error_class=RetryableError.__name__,
        answered={},
        lost=frozenset(),
    )


def _held_before(change: Change, name: str, known: Mapping[str, Mapping[str, Normalised]]) -> str:
    """What the other side held of a field before the change, in its own writing."""
    apart = known.get(change.external_id or "", {}).get(name)
    return apart.held if apart is not None else change.before.get(name, "")


class Ledger:
    """Follows every change of a plan from `planned` to its end.

    A link's `contact_version` moves only once nothing of that version is left to sync: all writes of the
    contact acknowledged, none failed, no conflict open. Until then the contact counts as changed.
    """

    def __init__(self, scope: JournalScope, plan: Plan, known: Known | None = None) -> None:
        self.scope = scope
        self.known = known or Known()
        self.outcomes: list[Outcome] = []
        self._plan = plan
        failed = self.known.waiting.of(AgendaKind.FAILED, AgendaKind.REFUSED)
        self._since = {item.write_key: item.created_at for item in failed}
        self._versions = {
            change.contact_id: change.expected_version
            for change in plan.changes
            if change.contact_id and change.expected_version is not None
        }
        self._open: Counter[str | None] = Counter(
            change.contact_id for change in plan.changes if change.contact_id and change.kind in _WRITES
        )
        self._blocked = {change.contact_id for change in plan.changes if not change.is_settling}
        self._updates: dict[tuple[str | None, Side], Change] = {
            (change.contact_id, change.side): change for change in plan.changes if change.kind is ChangeKind.UPDATE
        }
        self._applied: set[tuple[str | None, Side]] = set()
        #: By change, fields that stay as they were sent, with what the other side holds.
        self._apart: dict[UUID, Mapping[str, str]] = {}

    @property
    def count(self) -> int:
        """How many changes the plan has."""
        return len(self._plan.changes)

    def record_planned(self, connection: Connection) -> None:
        """Write down what will be asked of the provider, before anything is tried. A change here is written down by
        the transaction that makes it, in which it has its end too."""
        ahead = [change for change in self._plan.changes if change.side is Side.REMOTE]
        journal.record_changes(connection, self.scope, ahead, ChangeState.PLANNED)

    def record_intents(self, connection: Connection, changes: Iterable[Change]) -> None:
        """The write-ahead mark: from here on the provider may have seen the change."""
        rows = [StateChange(change_id=change.id, state=ChangeState.INTENDED) for change in changes]
        journal.record_states(connection, rows)

    def note_version(self, contact_id: str, version: int) -> None:
        """A local write of ours moved the contact to this version."""
        self._versions[contact_id] = version

    def acknowledge(self, connection: Connection, outcomes: Sequence[Outcome]) -> None:
        """Record what became of changes, and advance the base of those applied, all in one transaction."""
        if not outcomes:
            return
        outcomes = self._without_repeated(connection, self._without_anothers(connection, outcomes))
        for outcome in outcomes:
            self._count_down(outcome)
        if any(outcome.answered for outcome in outcomes):
            self._apart |= self._written_back(connection, outcomes)
            self._take_over(connection, outcomes)
        applied = [outcome for outcome in outcomes if outcome.state is ChangeState.APPLIED]
        self._applied.update((outcome.change.contact_id, outcome.change.side) for outcome in applied)
        self._advance(connection, applied)
        self._record(connection, outcomes)
        lost = [*map(_of_lost, filter(_lacks, outcomes))]
        journal.record_changes(connection, self.scope, lost, ChangeState.FAILED)
        failed = [self._failed(each.change, each) for each in outcomes if each.state is ChangeState.FAILED]
        failed += [self._failed(change) for change in lost]
        agenda.add_items(connection, self.scope, failed)
        self.outcomes.extend(outcomes)

    def _without_anothers(self, connection: Connection, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """A record is one contact's: an answer that gives it to a second one is not believed."""
        claims = {outcome.change.id: outcome.external_id or "" for outcome in outcomes if _is_claim(outcome)}
        if not claims:
            return outcomes
        owners = links.contacts_by_record(connection, self.scope.connection_id, sorted(set(claims.values())))
        count = Counter(claims.values())
        return [
            _as_unclear(each)
            if (key := claims.get(each.change.id))
            and (count[key] > 1 or owners.get(key, each.contact_id) != each.contact_id)
            else each
            for each in outcomes
        ]

    def _without_repeated(self, connection: Connection, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """What was superseded in the run before, too, and for the same reason, would be so for ever and make its
        connection due at once each time: it is a failure that a person sees."""
        again = [outcome.change for outcome in outcomes if outcome.state is ChangeState.SUPERSEDED]
        known = journal.superseded_before(connection, self.scope, again) if again else {}
        return [
            replace(each, state=ChangeState.FAILED, reason=each.reason + _REPEATED, error_class=RetryableError.__name__)
            if each.state is ChangeState.SUPERSEDED
            and each.reason
            and known.get(each.change.write_key, "").startswith(each.reason)
            else each
            for each in outcomes
        ]

    def _record(self, connection: Connection, outcomes: Sequence[Outcome]) -> None:
        here = [outcome for outcome in outcomes if outcome.change.side is Side.LOCAL]
        journal.record_ends(connection, self.scope, [(each.change, self._state(each)) for each in here])
        there = [self._state(outcome) for outcome in outcomes if outcome.change.side is Side.REMOTE]
        journal.record_states(connection, there)

    def arrival(self, change: Change, contact_id: str) -> Arrival:
        """A create here of somebody new, as it is to be made."""
        outcome = Outcome(change=change, state=ChangeState.APPLIED)
        return Arrival(contact_id=contact_id, change=change, fingerprint=self._fingerprint(outcome))

    def note_arrived(self, outcomes: Sequence[Outcome]) -> None:
        """These were made with their links and journal rows, and nothing waits of them."""
        self.outcomes.extend(outcomes)

    def untried(self, reason: str) -> list[Outcome]:
        """Outcomes for the changes that a run which stopped early never got to."""
        done = {outcome.change.id for outcome in self.outcomes}
        return [
            Outcome(change=change, state=ChangeState.SUPERSEDED, reason=reason)
            for change in self._plan.changes
            if change.id not in done
        ]

    def _failed(self, change: Change, outcome: Outcome | None = None) -> AgendaItem:
        is_refused = outcome is not None and outcome.error_class == PermanentError.__name__
        kind = AgendaKind.REFUSED if is_refused else AgendaKind.FAILED
        item = AgendaItem.of_change(kind, change, outcome.reason if outcome else "")
        return replace(item, created_at=self._since.get(change.write_key))

    def _take_over(self, connection: Connection, outcomes: Sequence[Outcome]) -> None:
        """Write the other side's way of writing a value here, too, as what both sides agree on: else it would come back
        as an edit of somebody's. A contact that was edited meanwhile keeps its edit."""
        writes = [
            ContactWrite(contact_id=contact_id, fields=values, version=version)
            for outcome in outcomes
            if (contact_id := outcome.change.contact_id)
            and (version := self._versions.get(contact_id)) is not None
            and (values := self._written_otherwise(outcome))
        ]
        for contact_id, version in contacts.update_contacts(connection, writes).items():
            self._versions[contact_id] = version

    def _written_otherwise(self, outcome: Outcome) -> dict[str, str]:
        apart = self._apart.get(outcome.change.id, {})
        return {
            name: value
            for name, value in outcome.answered.items()
            if name not in outcome.lost and name in self.known.local_names and name not in apart
        }

    def _written_back(self, connection: Connection, outcomes: Sequence[Outcome]) -> dict[UUID, Mapping[str, str]]:
        """Values that the other side answers as it held them before, of contacts that a third side has, too: it takes
        both writings for one value. To take its own over here again would send it to the third, whose own one comes
        back, and so on for ever; so each keeps the writing that it has."""
        told = [
            (outcome.change, otherwise)
            for outcome in outcomes
            if outcome.change.kind is ChangeKind.UPDATE and (otherwise := self._written_otherwise(outcome))
        ]
        if not told:
            return {}
        connection_id = self.scope.connection_id
        elsewhere = links.linked_elsewhere(connection, connection_id, [change.contact_id or "" for change, _ in told])
        known = links.read_normalised(connection, connection_id, [change.external_id or "" for change, _ in told])
        return {
            change.id: {name: value for name, value in otherwise.items() if value == _held_before(change, name, known)}
            for change, otherwise in told
            if change.contact_id in elsewhere
        }

    def _count_down(self, outcome: Outcome) -> None:
        contact_id = outcome.change.contact_id
        if outcome.change.kind in _WRITES:
            self._open[contact_id] -= 1
        if outcome.state is not ChangeState.APPLIED or outcome.lost:
            self._blocked.add(contact_id)

    def _advance(self, connection: Connection, applied: Sequence[Outcome]) -> None:
        gone = [
            outcome.change.contact_id
            for outcome in applied
            if outcome.change.kind in (ChangeKind.DELETE, ChangeKind.UNLINK) and outcome.change.contact_id
        ]
        links.delete_links(connection, self.scope.connection_id, gone)
        writes = [
            self._link(outcome)
            for outcome in applied
            if outcome.change.kind not in (ChangeKind.DELETE, ChangeKind.UNLINK)
        ]
        links.upsert_links(connection, self.scope.connection_id, self.scope.workspace_id, writes)

    def _link(self, outcome: Outcome) -> LinkWrite:
        change = outcome.change
        contact_id = change.contact_id or outcome.contact_id or ""
        is_settled = self._open[change.contact_id] <= 0 and change.contact_id not in self._blocked
        return LinkWrite(
            contact_id=contact_id,
            external_id=outcome.external_id or change.external_id or "",
            agreed={**self._agreed(change), **self._answered(outcome)},
            contact_version=self._versions.get(contact_id) if is_settled else None,
            fingerprint=self._fingerprint(outcome) if is_settled else None,
            normalised=self._apart.get(change.id, {}),
        )

    def _fingerprint(self, outcome: Outcome) -> str | None:
        """Of a record that now is as both sides agree: nothing was written there, all of it here."""
        change = outcome.change
        is_written_there = change.side is Side.REMOTE or (change.contact_id, Side.REMOTE) in self._updates
        if is_written_there or outcome.answered or self._plan.direction is not Direction.BIDIRECTIONAL:
            return None
        return self.known.fingerprints.get(change.external_id or "")

    def _agreed(self, change: Change) -> Mapping[str, str]:
        """What the base takes over. Of a field written to both sides (a merged set) the first
        acknowledgement agrees only what the other side had: with the merged value in the base, a side that
        misses its write would look as if it had removed members."""
        other = (change.contact_id, change.side.other)
        if change.kind is not ChangeKind.UPDATE or other in self._applied:
            return change.agreed
        waiting = self._updates.get(other)
        seen = waiting.before if waiting else {}
        return {name: seen.get(name, value) for name, value in change.agreed.items()}

    def _answered(self, outcome: Outcome) -> dict[str, str]:
        """What the other side holds instead of what was sent, as far as both sides have it now."""
        kept = {name: outcome.answered[name] for name in outcome.lost}
        return kept | self._written_otherwise(outcome)

    def _state(self, outcome: Outcome) -> StateChange:
        return StateChange(
            change_id=outcome.change.id,
            state=outcome.state,
            reason=outcome.reason,
            error_class=outcome.error_class,
            external_id=outcome.external_id,
            contact_id=outcome.contact_id,
        )

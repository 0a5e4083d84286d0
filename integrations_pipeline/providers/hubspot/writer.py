"""Writing contacts to HubSpot: batches of 100, each input told apart in the answer, opt-outs one by one.

    create   batch/create, which refuses an address that somebody has; after a lost answer the addresses are looked
             up, and whoever is not there goes out again by batch/upsert: the lost request may still arrive
    update   batch/update by id, never by address; e-mails that change hands in turn
    delete   batch/archive
    opt-out  …/unsubscribe-all, before anything else; nothing here opts anybody in

Belongs here: changes to requests, and answers to outcomes. Does not: which changes there are (`sync.contacts.load`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from integrations_pipeline.errors import InDoubtError, IntegrationError, PermanentError, RetryableError
from integrations_pipeline.model import CONSENT_OUT, Change, ChangeKind, MappedField, Outcome
from integrations_pipeline.providers.answers import Verdict
from integrations_pipeline.providers.batches import applied, bisect, chunks, failed, refused, superseded
from integrations_pipeline.providers.hubspot import values, wire
from integrations_pipeline.providers.hubspot.batch_answers import TRACE, BatchAnswer, trace_of
from integrations_pipeline.providers.hubspot.client import Contact, HubSpotClient, Input
from integrations_pipeline.providers.hubspot.values import Definitions, Sent, Shown

_THERE = "somebody made a contact with this e-mail at HubSpot meanwhile; the next run links it"
_MERGED = "the contact was merged into another one at HubSpot during the run; the next run takes it up"
_NOT_TOLD = "HubSpot's answer does not tell what became of the contact; the next run looks again"
_NOT_ARCHIVED = "HubSpot did not say that the contact was archived; the next run looks again"
_NOT_LOWERED = "HubSpot did not opt the address out: unsubscribe the person there"
_NO_ADDRESS = "a contact without an e-mail is not made at HubSpot: nothing would tell it from another"
_STAGE = "lifecyclestage"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpotWriter:
    """`mapping`: writable fields; `known`: definitions by name; `seen`: properties of contacts as read in this run."""

    client: HubSpotClient
    mapping: Sequence[MappedField]
    known: Definitions
    seen: Mapping[str, Shown]

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        """One outcome per change, in order. Refused contacts fail alone; other errors pass through."""
        outcomes: dict[UUID, Outcome] = {}
        fit: list[Change] = []
        for change in batch:
            error = self._misfit(change) or self._lower(change)
            if error is None:
                fit.append(change)
            else:
                outcomes[change.id] = failed(change, error)
        writes: Mapping[ChangeKind, Callable[[Sequence[Change]], list[Outcome]]] = {
            ChangeKind.CREATE: lambda chosen: bisect(chosen, self._create, self._refused),
            ChangeKind.UPDATE: self._update,
            ChangeKind.DELETE: lambda chosen: bisect(chosen, self._delete, self._refused),
        }
        for chosen in chunks(fit, wire.BATCH):
            outcomes |= {outcome.change.id: outcome for outcome in writes[batch[0].kind](chosen)}
        return [outcomes[change.id] for change in batch]

    def _misfit(self, change: Change) -> IntegrationError | None:
        if change.kind is ChangeKind.CREATE and not _email(change):
            return PermanentError(_NO_ADDRESS, code="no address")
        try:
            self._properties(change)
        except PermanentError as error:
            return error
        return None

    def _properties(self, change: Change) -> dict[str, str]:
        return values.to_properties(change.after, self.mapping, self.known, self._shown(change))

    def _shown(self, change: Change) -> Shown:
        return self.seen.get(change.external_id or "", {})

    def _input(self, change: Change) -> Input:
        named = {"id": change.external_id} if change.kind is ChangeKind.UPDATE else {}
        return {**named, "properties": self._properties(change), TRACE: trace_of(change)}

    def _refused(self, change: Change, error: PermanentError) -> Outcome:
        if error.code == wire.TAKEN:
            if change.kind is ChangeKind.CREATE:
                return self._met([change])[change.id]
            return failed(change, error, is_passing=True)
        return refused(change, error, (wire.GONE,))

    # Consent

    def _lower(self, change: Change) -> IntegrationError | None:
        """Opt the addresses of a person out who opted out: here, or there, if the person gets another address, which
        would begin without it. Before the write, so that no moment has more consent; why it was not done, or None."""
        if change.kind is ChangeKind.DELETE:
            return None
        says_out = change.after.get("email_opt_out") == CONSENT_OUT
        moves_out = bool(_email(change)) and values.is_opted_out(self._shown(change))
        held = self._shown(change).get("email") or change.address
        wanted = [each.strip() for each in ((held, _email(change)) if says_out else (_email(change),))]
        if not (says_out or moves_out):
            return None
        try:
            done = [self.client.unsubscribe(each) for each in dict.fromkeys(filter(None, wanted))]
        except (PermanentError, wire.MissingScopeError) as error:
            return error
        return None if done and all(done) else RetryableError(_NOT_LOWERED)

    # Creates

    def _create(self, batch: Sequence[Change]) -> list[Outcome]:
        inputs = [self._input(change) for change in batch]
        try:
            answer = BatchAnswer.of(self.client.create(inputs))
        except InDoubtError:
            return self._create_again(batch)
        return self._made(batch, answer)

    def _create_again(self, batch: Sequence[Change]) -> list[Outcome]:
        """After a lost answer: those that are there by now are looked at, the others sent again by their address."""
        met = self._met(batch, is_sure=False)
        missing = [change for change in batch if change.id not in met]
        inputs = [{**self._input(each), "id": _email(each), "idProperty": "email"} for each in missing]
        made = self._made(missing, BatchAnswer.of(self.client.upsert(inputs))) if missing else []
        met |= {outcome.change.id: outcome for outcome in made}
        return [met[change.id] for change in batch]

    def _made(self, batch: Sequence[Change], answer: BatchAnswer) -> list[Outcome]:
        outcomes: dict[UUID, Outcome] = {}
        doubtful: list[Change] = []
        for change in batch:
            contact, refusal = answer.result(change, _email(change)), answer.refusal(change)
            if contact is not None and _is_of(contact, change):
                outcomes[change.id] = self._as_made(change, contact)
            elif refusal is not None and refusal.code != wire.TAKEN:
                outcomes[change.id] = failed(change, refusal)
            else:
                doubtful.append(change)
        outcomes |= self._met(doubtful)
        return [outcomes[change.id] for change in batch]

    def _as_made(self, change: Change, contact: Contact) -> Outcome:
        """The contact is there, also where it lacks a value; the next run tries that again."""
        found = self._verdict(change, contact)
        untold = values.untold(self._sent(change), contact["properties"], self.mapping)
        found = Verdict(answered={**found.answered, **dict.fromkeys(untold, "")}, lost=found.lost | untold)
        names = ", ".join(sorted(self._columns(found)))
        reason = f"property {names} of the new contact did not take the value" if names else ""
        return replace(applied(change, str(contact["id"])), answered=found.answered, lost=found.lost, reason=reason)

    def _met(self, changes: Sequence[Change], *, is_sure: bool = True) -> dict[UUID, Outcome]:
        """What those are whose address somebody has: ours if they hold just what we would write, else somebody else's,
        to be linked by the next run. `is_sure`: each is told, also where nobody is found."""
        by_email: dict[str, Contact] = {}
        for chosen in chunks(changes, wire.BATCH):
            found, _ = self.client.read([_email(each) for each in chosen], by_email=True)
            by_email |= {str(values.shown_of(each).get("email") or "").lower(): each for each in found}
        told: dict[UUID, Outcome] = {}
        for change in changes:
            contact = by_email.get(_email(change).lower())
            if contact is not None:
                told[change.id] = self._met_one(change, contact)
            elif is_sure:
                # Told by nobody as the primary address: another contact has it beside its own, or it is archived.
                told[change.id] = failed(change, PermanentError(wire.IS_TAKEN, code=wire.TAKEN), is_passing=True)
        return told

    def _met_one(self, change: Change, contact: Contact) -> Outcome:
        shown = values.shown_of(contact)
        sent = self._properties(change)
        is_ours = all(_is_same(name, value, shown.get(name) or "") for name, value in sent.items())
        key = str(contact["id"])
        return applied(change, key) if is_ours else superseded(change, _THERE, key)

    # Updates

    def _update(self, batch: Sequence[Change]) -> list[Outcome]:
        done = {change.id: applied(change) for change in batch if not self._properties(change)}
        left = [change for change in batch if change.id not in done]
        for chosen in self._in_turn(left):
            done |= {each.change.id: each for each in bisect(chosen, self._send_updates, self._refused)}
        return [done[change.id] for change in batch]

    def _in_turn(self, changes: Sequence[Change]) -> Iterator[list[Change]]:
        """Whoever wants an address goes after the one who leaves it. In a ring nobody can: it is sent, and refused."""
        left = list(changes)
        while left:
            held = {(self._shown(each).get("email") or each.address).lower(): each for each in left if _email(each)}
            waiting = [each for each in left if held.get(_email(each).lower(), each) is not each and _email(each)]
            free = [each for each in left if each not in waiting] or left
            yield free
            left = [each for each in left if each not in free]

    def _send_updates(self, batch: Sequence[Change]) -> list[Outcome]:
        answer = BatchAnswer.of(self.client.update([self._input(change) for change in batch]))
        outcomes: list[Outcome] = []
        spoilt: list[tuple[Change, Verdict]] = []
        for change in batch:
            outcome, found = self._updated(change, answer)
            outcomes.append(outcome)
            spoilt += [(change, found)] if found is not None else []
        if not spoilt:
            return outcomes
        is_back = self._put_back(spoilt)
        lost = {change.id: failed(change, self._not_taken(found, is_back=is_back)) for change, found in spoilt}
        return [lost.get(each.change.id, each) for each in outcomes]

    def _updated(self, change: Change, answer: BatchAnswer) -> tuple[Outcome, Verdict | None]:
        """What became of an update, and what it shows lost, if it does."""
        contact, refusal = answer.result(change), answer.refusal(change)
        if contact is None:
            told = self._refused(change, refusal) if refusal else failed(change, RetryableError(_NOT_TOLD))
            return told, None
        if contact["id"] != change.external_id:
            return superseded(change, _MERGED), None
        if values.untold(self._sent(change), contact["properties"], self.mapping):
            return failed(change, RetryableError(_NOT_TOLD)), None
        found = self._verdict(change, contact)
        return replace(applied(change), answered=found.answered), found if found.lost else None

    def _verdict(self, change: Change, contact: Contact) -> Verdict:
        return values.verdict(self._sent(change), contact["properties"], self.mapping, self.known)

    def _sent(self, change: Change) -> Sent:
        return Sent(fields=change.after, properties=self._properties(change))

    def _put_back(self, spoilt: Sequence[tuple[Change, Verdict]]) -> bool:
        """Write the old values of what was lost; whether they are there again."""
        inputs = []
        for change, found in spoilt:
            before = {name: change.before.get(name, "") for name in found.lost}
            told = values.to_properties(before, self.mapping, self.known, self._shown(change))
            inputs.append({"id": change.external_id, "properties": told})
        try:
            self.client.update(inputs)
        except PermanentError:
            return False
        return True

    def _not_taken(self, found: Verdict, *, is_back: bool) -> PermanentError:
        columns = self._columns(found)
        if columns == {_STAGE}:
            return PermanentError(f"property {_STAGE} does not go back: clear it at HubSpot first", code="NOT_TAKEN")
        rest = "the old value was put back" if is_back else "the old value stands in the journal"
        return PermanentError(f"property {', '.join(sorted(columns))} did not take the value: {rest}", code="NOT_TAKEN")

    def _columns(self, found: Verdict) -> set[str]:
        return {mapped.column for mapped in self.mapping if mapped.name in found.lost}

    # Deletes

    def _delete(self, batch: Sequence[Change]) -> list[Outcome]:
        """Archive: what is gone already is archived just as well. After any other answer than that it is done, each is
        asked for, and only what HubSpot calls gone is."""
        ids = [change.external_id or "" for change in batch]
        if self.client.archive(ids):
            return [applied(change) for change in batch]
        told, gone = self.client.read(ids)
        archived = gone | {each["id"] for each in told if each.get("archived") is True}
        return [
            applied(change) if change.external_id in archived else failed(change, RetryableError(_NOT_ARCHIVED))
            for change in batch
        ]


def _email(change: Change) -> str:
    return change.after.get("email", "").strip()


def _is_of(contact: Contact, change: Change) -> bool:
    """Whether a new contact has the address that it was made with."""
    told = contact["properties"].get("email")
    return told is None or told.strip().lower() == _email(change).lower()


def _is_same(name: str, sent: str, held: str) -> bool:
    return sent.lower() == held.lower() if name == "email" else sent.strip() == held.strip()

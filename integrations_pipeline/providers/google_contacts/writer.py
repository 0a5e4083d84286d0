"""Writing contacts: batches of up to 200, all or nothing, each update guarded by the etag that was read for it.

Belongs here: changes to requests, and answers to outcomes. Does not: which changes there are (`sync.contacts.load`),
where a value is kept (`fields`).

An update carries the etag of the contact as it was read just before. If somebody edited it since, in any field, Google
refuses: that record is superseded and planned anew, and nothing of it is overwritten.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from integrations_pipeline.errors import InDoubtError, PermanentError, RetryableError
from integrations_pipeline.model import Change, ChangeKind, FieldKind, MappedField, Outcome
from integrations_pipeline.providers.answers import Taken, Verdict, judge, verdict_on
from integrations_pipeline.providers.batches import applied, bisect, failed, refused, superseded
from integrations_pipeline.providers.google_contacts import wire
from integrations_pipeline.providers.google_contacts.client import ContactsClient, Person
from integrations_pipeline.providers.google_contacts.fields import contact_key, etag_of, others_of, source_of
from integrations_pipeline.providers.google_contacts.records import Reader

_EDITED = "the record was edited at the provider during the run; the next run takes it up"
_NOT_DELETED = "Google did not find what was to be deleted, and the contact is there; the next run looks again"
_NOT_TOLD = "Google did not tell what became of the contact; the next run looks again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsWriter:
    """`seen`: contacts as they were read in this run, by resource name, as they are to be overwritten. `made`: what
    this run made, by contact id: asked for again, nothing is made."""

    client: ContactsClient
    mapping: Sequence[MappedField]
    reader: Reader
    seen: MutableMapping[str, Person]
    made: MutableMapping[str, str]

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        """One outcome per change, in order. Refused records fail alone; other errors pass through."""
        writers = {
            ChangeKind.CREATE: self._create,
            ChangeKind.UPDATE: self._update,
            ChangeKind.DELETE: self._delete,
        }
        done = {outcome.change.id: outcome for outcome in writers[batch[0].kind](batch)}
        return [done[change.id] for change in batch]

    def _after(self, change: Change) -> dict[str, str]:
        return {mapped.name: change.after[mapped.name] for mapped in self.mapping if mapped.name in change.after}

    def _without_misfits(self, batch: Sequence[Change]) -> tuple[list[Change], list[Outcome]]:
        """The changes whose labels are there or could be made, and outcomes of the others."""
        fit, misfits = [], []
        for change in batch:
            try:
                self.reader.edits(self.seen.get(change.external_id or "", {}), self._after(change))
                fit.append(change)
            except PermanentError as error:
                misfits.append(failed(change, error))
        return fit, misfits

    # New contacts

    def _create(self, batch: Sequence[Change]) -> list[Outcome]:
        known = [change for change in batch if self._made_for(change)]
        fit, misfits = self._without_misfits([change for change in batch if not self._made_for(change)])
        outcomes = bisect(fit, self._send_creates, failed) if fit else []
        return [*(applied(change, self._made_for(change)) for change in known), *misfits, *outcomes]

    def _made_for(self, change: Change) -> str | None:
        return None if change.is_key_taken else self.made.get(change.contact_id or "")

    def _send_creates(self, batch: Sequence[Change]) -> list[Outcome]:
        """A lost answer ends the run: lists show what was made only minutes later, so that looking now proves nothing,
        and the next run's `find_created` waits for that."""
        people = [self.reader.new_person(self._after(change), _key(change)) for change in batch]
        answers = self.client.create(people)
        told = [answer.get("person") for answer in answers]
        is_whole = len(told) == len(batch) and all(
            person and contact_key(person) == _key(change) for person, change in zip(told, batch, strict=True)
        )
        if not is_whole:
            raise InDoubtError("Google's answer to new contacts does not tell all of them; the next run looks for them")
        return [self._created(change, person or {}) for change, person in zip(batch, told, strict=True)]

    def _created(self, change: Change, person: Person) -> Outcome:
        name = str(person["resourceName"])
        self.seen[name] = person
        if _key(change):
            self.made[_key(change)] = name
        verdict = self._verdict(change, person, {})
        return replace(applied(change, name), answered=verdict.answered, lost=verdict.lost)

    # Changed contacts

    def _update(self, batch: Sequence[Change]) -> list[Outcome]:
        self._look_up(batch)
        there = [change for change in batch if change.external_id in self.seen]
        gone = [superseded(change) for change in batch if change.external_id not in self.seen]
        fit, misfits = self._without_misfits(there)
        return [*gone, *misfits, *(bisect(fit, self._send_updates, self._refused) if fit else [])]

    def _look_up(self, batch: Sequence[Change]) -> None:
        """Read those that were not read just before."""
        missing = sorted({_name(change) for change in batch} - self.seen.keys())
        for answer in self.client.get(missing):
            person = answer.get("person")
            if person and person["resourceName"] in missing:
                self.seen[person["resourceName"]] = person

    def _send_updates(self, batch: Sequence[Change]) -> list[Outcome]:
        """One request: its mask has the fields of all changes, and each contact all of them, as they were read but for
        the change. The etags see to it that nothing else was there meanwhile."""
        edits = {_name(change): self.reader.edits(self.seen[_name(change)], self._after(change)) for change in batch}
        mask = sorted({field for edited in edits.values() for field in edited})
        if not mask:
            return [applied(change) for change in batch]
        people = {name: _body(self.seen[name], edited, mask) for name, edited in edits.items()}
        try:
            answers = self.client.update(people, mask)
        except PermanentError as error:
            if error.code not in (wire.STALE, wire.GONE):
                raise
            return self._after_refusal(batch, error)
        return [self._updated(change, answers.get(_name(change), {}).get("person")) for change in batch]

    def _after_refusal(self, batch: Sequence[Change], error: PermanentError) -> list[Outcome]:
        """Somebody edited or deleted some of these, or a lost answer was to a request that was applied. What is as it
        was read is sent again without them."""
        before = {_name(change): etag_of(self.seen[_name(change)]) for change in batch}
        now = {
            person["resourceName"]: person
            for answer in self.client.get(list(before))
            if (person := answer.get("person"))
        }
        same = [change for change in batch if etag_of(now.get(_name(change), {})) == before[_name(change)]]
        if len(same) == len(batch):
            raise error
        moved = [self._moved(change, now.get(_name(change))) for change in batch if change not in same]
        return [*moved, *(bisect(same, self._send_updates, self._refused) if same else [])]

    def _moved(self, change: Change, person: Person | None) -> Outcome:
        self.seen.pop(_name(change), None)
        if person is None:
            return superseded(change)
        shown = self.reader.fields(person)
        is_done = all(
            name in shown and judge(value, shown[name], kind) is Taken.SAME for name, value, kind in self._sent(change)
        )
        return applied(change) if is_done else superseded(change, _EDITED)

    def _refused(self, change: Change, error: PermanentError) -> Outcome:
        if error.code == wire.STALE:
            return superseded(change, _EDITED)
        return refused(change, error, {wire.GONE})

    def _updated(self, change: Change, person: Person | None) -> Outcome:
        before = self.seen.pop(_name(change))
        if person is None or not _is_about(person, _name(change)) or self._is_blank(change, person):
            return failed(change, RetryableError(_NOT_TOLD))
        self.seen[str(person["resourceName"])] = person
        verdict = self._verdict(change, person, before)
        if verdict.lost:
            self._put_back(person, before, verdict)
            names = ", ".join(sorted(verdict.lost))
            return failed(change, PermanentError(f"Google Contacts did not take {names}; the old value was put back"))
        return replace(applied(change, str(person["resourceName"])), answered=verdict.answered)

    def _is_blank(self, change: Change, person: Person) -> bool:
        """Whether an answer shows nothing of a contact that was given a value: it may as well be none."""
        has_values = any(person.get(place.field) for place in self.reader.places.values())
        return any(self._after(change).values()) and not has_values

    def _put_back(self, person: Person, before: Person, verdict: Verdict) -> None:
        fields = {self.reader.places[name].field for name in verdict.lost}
        name = str(person["resourceName"])
        edited = {field: before.get(field) or [] for field in fields}
        with suppress(PermanentError):
            answers = self.client.update({name: _body(person, edited, sorted(fields))}, sorted(fields))
            self.seen[name] = answers.get(name, {}).get("person") or person

    def _verdict(self, change: Change, person: Person, before: Person) -> Verdict:
        """A field that was cleared shows the contact's next e-mail, phone or organization: it was taken, and that is
        what counts from now on."""
        kinds = {mapped.name: mapped.kind for mapped in self.mapping}

        def judged(name: str, sent: str, back: str) -> Taken:
            place = self.reader.places[name]
            if not sent and back and back in others_of(before, place):
                return Taken.NORMALISED
            return judge(sent, back, kinds[name])

        return verdict_on(self._after(change), self.reader.fields(person), judged)

    def _sent(self, change: Change) -> list[tuple[str, str, FieldKind]]:
        kinds = {mapped.name: mapped.kind for mapped in self.mapping}
        return [(name, value, kinds[name]) for name, value in self._after(change).items()]

    # Contacts that are to go

    def _delete(self, batch: Sequence[Change]) -> list[Outcome]:
        return bisect(batch, self._send_deletes, self._refused)

    def _send_deletes(self, batch: Sequence[Change]) -> list[Outcome]:
        """Where Google does not find something, each is asked for: only who has no contact there any more is gone."""
        try:
            self.client.delete([_name(change) for change in batch])
        except PermanentError as error:
            if error.code != wire.GONE:
                raise
            gone = {
                answer["requestedResourceName"]
                for answer in self.client.get([_name(change) for change in batch])
                if wire.is_gone(answer)
            }
            rest = [change for change in batch if _name(change) not in gone]
            if len(rest) == len(batch):
                return [failed(change, RetryableError(_NOT_DELETED)) for change in batch]
            done = self._send_deletes(rest) if rest else []
            return [*done, *(applied(change) for change in batch if _name(change) in gone)]
        return [applied(change) for change in batch]


def _key(change: Change) -> str:
    return "" if change.is_key_taken else change.contact_id or ""


def _name(change: Change) -> str:
    return change.external_id or ""


def _is_about(person: Person, name: str) -> bool:
    """Whether an answer is about the contact of this name, or of one that had it before."""
    return name in (person["resourceName"], *((person.get("metadata") or {}).get("previousResourceNames") or ()))


def _body(person: Person, edited: Mapping[str, Any], mask: Sequence[str]) -> dict[str, Any]:
    """What an update sends of a contact: the fields of the mask, whole, and the version that they are for."""
    version = {"etag": person.get("etag", ""), "metadata": {"sources": [dict(source_of(person))]}}
    return {**version, **{field: edited.get(field, person.get(field) or []) for field in mask}}

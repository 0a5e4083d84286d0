"""Writing contacts to Airtable: batches of ten, all or nothing, bisected on refusal, and each answer read.

Belongs here: changes to requests, and answers to outcomes. Does not: which changes there are (`sync.contacts.load`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from integrations_pipeline.errors import InDoubtError, PermanentError, RetryableError
from integrations_pipeline.model import Change, ChangeKind, FieldKind, MappedField, Outcome
from integrations_pipeline.providers.airtable import cells, schema, wire
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.answers import Verdict, verdict_on
from integrations_pipeline.providers.batches import Send, applied, bisect, failed, refused

#: A create whose answer was lost is looked up and, if it is not there, sent again this often.
MAX_CREATE_ATTEMPTS = 3
_NO_VALUES = "Airtable's answer shows none of the values that were sent; the next run looks again"
_NOT_DELETED = "Airtable did not say that the record was deleted; the next run looks again"


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableWriter:
    """`mapping`: writable fields by workspace name; `key`: the external-id column, None if there is none."""

    client: AirtableClient
    mapping: Mapping[str, MappedField]
    columns: Mapping[str, schema.Column]
    key: str | None
    is_typecast: bool

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        """One outcome per change, in order. Refused records fail alone; other errors pass through."""
        sends: dict[ChangeKind, Send] = {
            ChangeKind.CREATE: self._create_any,
            ChangeKind.UPDATE: self._update,
            ChangeKind.DELETE: self._delete,
        }
        misfits = {i: error for i, change in enumerate(batch) if (error := self._misfit(change))}
        fit = [change for i, change in enumerate(batch) if i not in misfits]
        done = iter(bisect(fit, sends[batch[0].kind], _refused) if fit else ())
        return [failed(change, misfits[i]) if i in misfits else next(done) for i, change in enumerate(batch)]

    def _misfit(self, change: Change) -> PermanentError | None:
        try:
            self._cells(change)
        except PermanentError as error:
            return error
        return None

    def _cells(self, change: Change) -> dict[str, Any]:
        return {
            mapped.column: cells.to_cell(change.after[name], mapped, self.columns.get(mapped.column))
            for name, mapped in self.mapping.items()
            if name in change.after
        }

    def _update(self, batch: Sequence[Change]) -> list[Outcome]:
        records = [{"id": change.external_id, "fields": self._cells(change)} for change in batch]
        answered = {str(each.get("id")): each for each in self.client.update(records, typecast=self.is_typecast)}
        verdicts = [self._verdict(change, answered.get(change.external_id or "")) for change in batch]
        spoilt = [(c, v) for c, v in zip(batch, verdicts, strict=True) if v is not None and v.lost]
        is_back = self._put_back(spoilt)
        return [
            failed(change, RetryableError(_NO_VALUES))
            if verdict is None
            else failed(change, self._not_taken(verdict, is_back=is_back))
            if verdict.lost
            else replace(applied(change), answered=verdict.answered)
            for change, verdict in zip(batch, verdicts, strict=True)
        ]

    def _verdict(self, change: Change, record: Mapping[str, Any] | None) -> Verdict | None:
        """What the answered record shows of the change; None if it shows none of the values that were sent."""
        shown = record.get("fields") if record else None
        if not isinstance(shown, Mapping):
            return None
        sent = {name: value for name, value in change.after.items() if name in self.mapping}
        back = {
            name: value
            for name in sent
            if (value := cells.from_column(shown.get(self.mapping[name].column), *self._column(name))) is not None
        }
        # Empty cells are left out of answers, so a record without any may as well be no answer.
        if not shown and any(value.strip() for value in sent.values()):
            return None
        return verdict_on(sent, back, lambda name, value, held: cells.judge_cell(value, held, *self._column(name)))

    def _column(self, name: str) -> tuple[MappedField, schema.Column | None]:
        return self.mapping[name], self.columns.get(self.mapping[name].column)

    def _put_back(self, spoilt: Sequence[tuple[Change, Verdict]]) -> bool:
        """Write the old values of what was lost; whether they are there again."""
        if not spoilt:
            return True
        try:
            records = [
                {
                    "id": change.external_id,
                    "fields": cells.cells_before(change.before, verdict.lost, self.mapping, self.columns),
                }
                for change, verdict in spoilt
            ]
            self.client.update(records, typecast=False)
        except PermanentError:
            return False
        return True

    def _not_taken(self, verdict: Verdict, *, is_back: bool) -> PermanentError:
        names = ", ".join(f'"{self.mapping[name].column}"' for name in sorted(verdict.lost))
        rest = "the old value was put back" if is_back else "the old value stands in the journal"
        return PermanentError(f"column {names} did not take the value: {rest}", code="NOT_TAKEN")

    def _made(self, change: Change, record: Mapping[str, Any], external_id: str) -> Outcome:
        """The outcome of a create: the record is there, also where it lacks a value; the next run tries that again."""
        verdict = self._verdict(change, record)
        if verdict is None or not verdict.answered:
            return applied(change, external_id)
        names = ", ".join(f'"{self.mapping[name].column}"' for name in sorted(verdict.lost))
        reason = f"column {names} of the new record did not take the value" if names else ""
        return replace(applied(change, external_id), answered=verdict.answered, lost=verdict.lost, reason=reason)

    def _create_any(self, batch: Sequence[Change]) -> list[Outcome]:
        """By the key column, so that a create can be repeated; except for a record that was deleted and comes
        back: a record that carries its key now is a copy somebody made, and must not be written over."""
        made: dict[UUID, Outcome] = {}
        for send, chosen in (
            (self._upsert, [change for change in batch if self._is_keyed(change)]),
            (self._create, [change for change in batch if not self._is_keyed(change)]),
        ):
            made |= {outcome.change.id: outcome for outcome in (send(chosen) if chosen else ())}
        return [made[change.id] for change in batch]

    def _is_keyed(self, change: Change) -> bool:
        comes_back = change.external_id is not None and bool(change.after.get("email"))
        return self.key is not None and not comes_back and not change.is_key_taken

    def _upsert(self, batch: Sequence[Change]) -> list[Outcome]:
        key = self.key or ""
        records = [{"fields": {**self._cells(change), key: change.contact_id}} for change in batch]
        written = self.client.upsert(records, key, typecast=self.is_typecast)
        by_key = {cells.to_value(wire.cells_of(record).get(key)): record for record in written}
        # Answers come in the order of the request; the key in them, where it is shown, is surer still.
        made = [by_key.get(change.contact_id or "") or record for change, record in zip(batch, written, strict=True)]
        return [self._made(change, record, str(record["id"])) for change, record in zip(batch, made, strict=True)]

    def _create(self, batch: Sequence[Change]) -> list[Outcome]:
        """Create without a key: after a lost answer the records are looked up first, by e-mail or, without
        one, by all their texts; what is not found then is sent again."""
        found: dict[UUID, str] = {}
        told: dict[UUID, Mapping[str, Any]] = {}
        for _ in range(MAX_CREATE_ATTEMPTS):
            missing = [change for change in batch if change.id not in found]
            try:
                records = [{"fields": self._cells(change)} for change in missing]
                made = self.client.create(records, typecast=self.is_typecast)
                told = {change.id: record for change, record in zip(missing, made, strict=True)}
                found |= {key: str(record["id"]) for key, record in told.items()}
                break
            except InDoubtError:
                found |= self._look_up(missing)
                for change in missing:
                    if not change.after.get("email"):
                        found |= self._look_up_texts(change)
                if len(found) == len(batch):
                    break
        return [
            self._made(change, told.get(change.id, {}), found[change.id])
            if change.id in found
            else failed(change, InDoubtError("the answer was lost again and again"))
            for change in batch
        ]

    def _look_up(self, changes: Sequence[Change]) -> dict[UUID, str]:
        mapped = self.mapping.get("email")
        emails = {change.after.get("email", "").strip().lower(): change.id for change in changes}
        emails.pop("", None)
        if mapped is None or not emails:
            return {}
        reference = wire.field_reference(mapped.column)
        formula = wire.any_of(f"LOWER(TRIM({reference}))={wire.text_literal(email)}" for email in sorted(emails))
        found: dict[UUID, str] = {}
        for records in self.client.pages([mapped.column], formula):
            for record in records:
                email = cells.to_value(wire.cells_of(record).get(mapped.column)).strip().lower()
                if email in emails:
                    found[emails[email]] = str(record["id"])
        return found

    def _look_up_texts(self, change: Change) -> dict[UUID, str]:
        """The one record that holds just the texts of this create, if there is one."""
        texts = {
            self.mapping[name].column: value
            for name, value in change.after.items()
            if name in self.mapping and self.mapping[name].kind is FieldKind.TEXT
        }
        terms = [f"{wire.field_reference(column)}={wire.text_literal(value)}" for column, value in texts.items()]
        if not terms:
            return {}
        pages = list(self.client.pages(list(texts), f"AND({','.join(terms)})"))
        same = [str(record["id"]) for records in pages for record in records if wire.cells_of(record) == texts]
        return {change.id: same[0]} if len(same) == 1 else {}

    def _delete(self, batch: Sequence[Change]) -> list[Outcome]:
        try:
            gone = self.client.delete([change.external_id or "" for change in batch])
        except PermanentError as error:
            # Of several it may be one that is gone; of one record only its absence tells that it is.
            if error.code not in wire.GONE_CODES or len(batch) > 1 or not self._is_there(batch[0]):
                raise
            gone = frozenset()
        return [
            applied(change) if change.external_id in gone else failed(change, RetryableError(_NOT_DELETED))
            for change in batch
        ]

    def _is_there(self, change: Change) -> bool:
        record_id = change.external_id or ""
        columns = [mapped.column for mapped in self.mapping.values()][:1]
        pages = self.client.pages(columns, wire.ids_formula([record_id]))
        return any(str(record["id"]) == record_id for records in pages for record in records)


def _refused(change: Change, error: PermanentError) -> Outcome:
    return refused(change, error, wire.GONE_CODES)

"""Writing contacts to Mailchimp: batches of 500 with an answer per member, addresses one by one.

    create   POST lists/{id}, refused for members that exist, archived ones too
    update   POST lists/{id} for many; PATCH for one, and for every change of an e-mail
             PATCH status=unsubscribed, only for a person who opted out here and is subscribed there
    tags     with the batches, by tag, or one by one (`tagging`)
    delete   DELETE, which archives

Consent: no other request to a member that exists carries `status`. Belongs here: changes to requests, and
answers to outcomes. Does not: which changes there are (`sync.contacts.load`).
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from integrations_pipeline.errors import InDoubtError, PermanentError
from integrations_pipeline.model import CONSENT_UNASKED, Change, ChangeKind, ChangeState, MappedField, Outcome
from integrations_pipeline.providers.batches import applied, chunks, superseded
from integrations_pipeline.providers.columns import JOIN
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.answers import THERE, Answers, email_key
from integrations_pipeline.providers.mailchimp.archiving import archived
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.fields import FIXED, MergeField, to_merge
from integrations_pipeline.providers.mailchimp.members import (
    ARCHIVED,
    SUBSCRIBED,
    TRANSACTIONAL,
    UNSUBSCRIBED,
    Member,
    external_id,
)
from integrations_pipeline.providers.mailchimp.moving import in_turn, put_aside, readdress
from integrations_pipeline.providers.mailchimp.outcomes import (
    GONE,
    IS_ARCHIVED,
    failed,
    refused,
    wrong_status,
)
from integrations_pipeline.providers.mailchimp.prepared import Prepared, tag_changes
from integrations_pipeline.providers.mailchimp.readback import Following, made_since, read_back
from integrations_pipeline.providers.mailchimp.tagging import Left, added, left_over, remove_together
from integrations_pipeline.providers.mailchimp.verdicts import columns_of, verdict

_MOVED = "the member's e-mail changed at Mailchimp during the run; the next run takes it up"
_NO_ADDRESS = "Mailchimp keeps nobody without an e-mail"
_NOT_TOLD = "the member was made, but Mailchimp does not tell its lasting id yet; the next run links it"
_NOT_LOWERED = "Mailchimp did not unsubscribe the member: unsubscribe the person there"

#: To see the names of more members than this, everybody is listed.
MANY_NAMES = 20

#: A member as last seen in this run, by external id.
Seen = MutableMapping[str, Member]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailchimpWriter:
    """`known`: merge fields by tag, empty where the schema could not be read. `seen`: members as read in this
    run; `alive`: external ids of those that were there a moment ago, which a batch may therefore update. `following`:
    the list, as read on while this run writes.
    """

    client: MailchimpClient
    mapping: Sequence[MappedField]
    known: Mapping[str, MergeField]
    status_if_new: str
    seen: Seen
    alive: Set[str]
    following: Following
    skips_validation: bool = True

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        """One outcome per change, in order. Refused members fail alone; other errors pass through."""
        outcomes: dict[UUID, Outcome] = {}
        fit: list[Prepared] = []
        self._look_at_names(batch)
        for change in batch:
            try:
                fit.append(self._prepare(change))
            except PermanentError as error:
                outcomes[change.id] = refused(change, error)
        writes: dict[ChangeKind, Callable[[list[Prepared]], Iterable[Outcome]]] = {
            ChangeKind.CREATE: self._create,
            ChangeKind.UPDATE: self._update,
            ChangeKind.DELETE: self._delete,
        }
        done = writes[batch[0].kind](fit) if fit else ()
        outcomes |= {outcome.change.id: outcome for outcome in done}
        return [outcomes[change.id] for change in batch]

    def _prepare(self, change: Change) -> Prepared:
        member = self._member(change)
        told = change.after.get("email", "") if change.kind is ChangeKind.CREATE else change.address
        address = str(member.get("email_address") or told).strip()
        if not address:
            raise PermanentError(_NO_ADDRESS, code="no address")
        merged: dict[str, Any] = {}
        for mapped in self.mapping:
            if mapped.name in change.after and mapped.name not in FIXED:
                merged |= to_merge(change.after[mapped.name], mapped, self.known, member.get("merge_fields") or {})
        tags = tag_changes(change)
        return Prepared(change=change, address=address, merge_fields=merged, tags=tags)

    def _look_at_names(self, batch: Sequence[Change]) -> None:
        """See how names of three words and more are split before they change: a first name of two stays whole."""
        joined = [mapped.name for mapped in self.mapping if JOIN in mapped.column]
        unclear = {
            change.external_id or ""
            for change in batch
            if change.kind is ChangeKind.UPDATE
            and change.external_id not in self.seen
            and any(name in change.after and len(change.before.get(name, "").split()) > 2 for name in joined)
        }
        if len(unclear) > MANY_NAMES:
            for members in self.client.pages():
                self.seen.update({external_id(each): each for each in members})
            return
        for key in sorted(unclear):
            if member := self.client.member(key):
                self.seen[key] = member

    def _member(self, change: Change) -> Member:
        """The member as last seen; asked for by its id only where nothing tells its address."""
        if change.kind is ChangeKind.CREATE:
            self._require_not_archived(change.external_id)
            return {}
        seen = self.seen.get(change.external_id or "")
        if seen is None and not change.address:
            seen = self.client.member(change.external_id or "")
            if seen is None:
                raise PermanentError(GONE, code=wire.GONE)
        return seen or {}

    def _require_not_archived(self, key: str | None) -> None:
        """A member that is to be made again, perhaps with a new e-mail: what consent an archived one had nobody
        knows, and another address must not give the person more."""
        member = self.client.member(key) if key else None
        if member is not None and member.get("status") == ARCHIVED:
            raise PermanentError(IS_ARCHIVED, code=ARCHIVED)

    # Creates

    def _create(self, prepared: list[Prepared]) -> list[Outcome]:
        """New members, then their lasting ids, which the batch does not tell: read back, a page for many."""
        answers = Answers()
        for chosen in chunks(prepared, wire.WRITE_BATCH):
            members = [self._new_member(each) for each in chosen]
            before = self.client.http.server_time
            try:
                answers.add(self.client.batch(members, is_update=False))
            except InDoubtError:
                answers.lost |= made_since(self.client, before)
                answers.add(self.client.batch(members, is_update=False))
        read_back(self.following, answers, {each.address.lower() for each in prepared if added(each)})
        return [self._created(each, answers) for each in prepared]

    def _new_member(self, each: Prepared) -> dict[str, Any]:
        asked = each.change.after.get("email_opt_out")
        unasked = TRANSACTIONAL if asked == CONSENT_UNASKED else self.status_if_new
        return {
            "email_address": each.address,
            "status_if_new": UNSUBSCRIBED if each.is_out else unasked,
            "merge_fields": each.merge_fields,
            **_tags(each),
        }

    def _created(self, each: Prepared, answers: Answers) -> Outcome:
        refused = answers.is_refused_for_good(each.address)
        made = answers.new.get(each.address.lower())
        if made is None and refused is not None:
            return failed(each.change, refused)
        made = made or self._existing(each, answers.lost.get(each.address.lower()))
        if made is None:
            return self._to_be_linked(each, THERE)
        if (wrong := wrong_status(made)) is not None:
            return failed(each.change, wrong)
        if not made.get("contact_id") and email_key(made) not in answers.told:
            found = self.client.member(wire.member_hash(each.address))
            if found is None:
                outcome = self._with_tags(each, None, left=left_over(each.tags, made))
                is_done = outcome.state is ChangeState.APPLIED
                return self._to_be_linked(each, _NOT_TOLD) if is_done else outcome
            made = found
        self.seen[external_id(made)] = made
        if each.is_out and made.get("status") == SUBSCRIBED:
            lowered = self._lower_consent(each, each.address)
            if lowered is not None:
                return lowered
        outcome = self._with_tags(each, external_id(made), left=left_over(each.tags, made))
        return self._as_answered(each, outcome, made) if outcome.state is ChangeState.APPLIED else outcome

    def _as_answered(self, each: Prepared, outcome: Outcome, made: Member) -> Outcome:
        """A create whose member lacks a value is made all the same; the next run tries that again."""
        found = verdict(each.merge_fields, each.change.after, made, self.mapping, self.known)
        if not found.answered:
            return outcome
        columns = columns_of(found.lost, self.mapping)
        reason = f"merge field {columns} of the new member did not take the value" if columns else ""
        return replace(outcome, answered=found.answered, lost=found.lost, reason=reason)

    @staticmethod
    def _to_be_linked(each: Prepared, reason: str) -> Outcome:
        """The next run reads the member, by its hash, however old it is by then, and the match links it."""
        return superseded(each.change, reason, wire.member_hash(each.address))

    def _existing(self, each: Prepared, lost: Member | None) -> Member | None:
        """The member that a create met: ours if it holds just what we would write, else None: somebody else's.
        One that is archived is told: what consent it had nobody knows, so it is not brought back."""
        member = lost or self.client.member(wire.member_hash(each.address))
        if member is None or member.get("status") == ARCHIVED:
            return member
        held = member.get("merge_fields") or {}
        seen = self.seen.get(external_id(member), {})
        # One that had another address before may be somebody else's, whatever it holds.
        is_known = lost is not None or email_key(seen) == email_key(member)
        is_ours = is_known and all(held.get(tag, "") == value for tag, value in each.merge_fields.items())
        return member if is_ours else None

    # Updates

    def _update(self, prepared: list[Prepared]) -> list[Outcome]:
        batched = [each for each in prepared if (each.merge_fields or added(each)) and self._is_batched(each)]
        if len(batched) == 1:
            batched = []
        outcomes: dict[UUID, Outcome | None] = {}
        left: Left = {each.change.id: dict(each.tags) for each in prepared}
        if batched:
            answers = Answers()
            for chosen in chunks(batched, wire.WRITE_BATCH):
                members = [self._old_member(each) for each in chosen]
                answers.add(self.client.batch(members, is_update=True, skips_validation=self.skips_validation))
            outcomes = {each.change.id: self._updated(each, answers) for each in batched}
            left |= {each.change.id: left_over(each.tags, answers.made(each.address)) for each in batched}
        single = [each for each in prepared if each.change.id not in outcomes and each.is_patched]
        for each in in_turn(single, lambda one: one.address, lambda one: one.new_address):
            outcomes[each.change.id] = self._rest_of(each, self._patched(each))
        remove_together(self.client, [each for each in prepared if self._keeps_address(each, outcomes)], left)
        return [self._finished(each, outcomes.get(each.change.id), left[each.change.id]) for each in prepared]

    def _keeps_address(self, each: Prepared, outcomes: Mapping[UUID, Outcome | None]) -> bool:
        """Whether it is known to be there under its address, and nothing of its change failed so far."""
        outcome = outcomes.get(each.change.id)
        return self._is_batched(each) and (outcome is None or outcome.state is ChangeState.APPLIED)

    def _is_batched(self, each: Prepared) -> bool:
        """A batch addresses by e-mail and makes members that are gone: only for those known to be there."""
        return "email" not in each.change.after and each.change.external_id in self.alive

    @staticmethod
    def _old_member(each: Prepared) -> dict[str, Any]:
        # The batch asks for a status. This one counts only if the member is gone or archived by now, and raises
        # nobody's consent.
        return {
            "email_address": each.address,
            "status_if_new": UNSUBSCRIBED,
            **({"merge_fields": each.merge_fields} if each.merge_fields else {}),
            **_tags(each),
        }

    def _patched(self, each: Prepared) -> Outcome | None:
        """One member by its address; None once it is written."""
        values: dict[str, Any] = {"merge_fields": each.merge_fields} if each.merge_fields else {}
        email = each.change.after.get("email")
        if email is not None:
            if not email.strip():
                return failed(each.change, PermanentError(_NO_ADDRESS, code="no address"))
            values["email_address"] = email.strip()
        try:
            member = self.client.patch(each.address, values, skips_validation=self.skips_validation)
        except PermanentError as error:
            if error.code == wire.SUBSCRIBED_ONLY:
                return readdress(self.client, each.change, each.address, each.merge_fields)
            return refused(each.change, error)
        if member.get("status") == ARCHIVED:
            return superseded(each.change, GONE)
        held = email_key(member)
        if email is not None and held and held != email.strip().lower():
            return failed(each.change, PermanentError("Mailchimp did not take the e-mail", code="lost"))
        if member:
            self.seen[each.change.external_id or ""] = member
        return self._taken(each, member)

    def _rest_of(self, each: Prepared, outcome: Outcome | None) -> Outcome | None:
        """An e-mail that another member has keeps none of the other values from being written."""
        if outcome is None or outcome.reason != wire.TAKEN or not (each.merge_fields or each.tags or each.is_out):
            return outcome
        if each.merge_fields:
            values = {"merge_fields": each.merge_fields}
            try:
                member = self.client.patch(each.address, values, skips_validation=self.skips_validation)
            except PermanentError:
                return outcome
            if (found := self._taken(each, member)) is not None and found.state is not ChangeState.APPLIED:
                return found
        return replace(
            applied(each.change), answered={"email": each.address}, lost=frozenset({"email"}), reason=outcome.reason
        )

    def _taken(self, each: Prepared, member: Member) -> Outcome | None:
        """What an update's answer shows: None where all is as it was sent. A value that was not taken is put back."""
        found = verdict(each.merge_fields, each.change.after, member, self.mapping, self.known)
        if not found.answered:
            return None
        if not found.lost:
            return replace(applied(each.change), answered=found.answered)
        rest = (
            "the old value was put back" if self._put_back(each, found.lost) else "the old value stands in the journal"
        )
        columns = columns_of(found.lost, self.mapping)
        reason = f"merge field {columns} did not take the value: {rest}"
        return failed(each.change, PermanentError(reason, code="lost"))

    def _put_back(self, each: Prepared, names: frozenset[str]) -> bool:
        values: dict[str, Any] = {}
        try:
            for mapped in self.mapping:
                if mapped.name in names:
                    values |= to_merge(each.change.before.get(mapped.name, ""), mapped, self.known, {})
            self.client.patch(each.new_address, {"merge_fields": values}, skips_validation=True)
        except PermanentError:
            return False
        return True

    def _updated(self, each: Prepared, answers: Answers) -> Outcome | None:
        refused = answers.refused(each.address)
        if refused is not None:
            return failed(each.change, refused)
        made = answers.made(each.address)
        if made is None:
            return failed(each.change, PermanentError("Mailchimp did not say what became of the member", code="lost"))
        if made.get("status") == ARCHIVED:
            return superseded(each.change, GONE)
        if answers.is_new(each.address):
            # It got another e-mail between our look and our write, and the batch made a second one: undone.
            put_aside(self.client, each.address)
            return superseded(each.change, _MOVED)
        return self._taken(each, made)

    def _finished(self, each: Prepared, outcome: Outcome | None, left: Mapping[str, bool]) -> Outcome:
        """The rest of an update that went well so far: consent, then the tags that are left."""
        if outcome is not None and outcome.state is not ChangeState.APPLIED:
            return outcome
        found = outcome.external_id if outcome else each.change.external_id
        address = each.address if outcome and "email" in outcome.lost else each.new_address
        if each.is_out:
            lowered = self._lower_consent(each, address)
            if lowered is not None:
                return lowered
        done = self._with_tags(each, found, address, left=left)
        is_told = outcome is not None and done.state is ChangeState.APPLIED
        return replace(outcome, external_id=done.external_id) if outcome is not None and is_told else done

    def _lower_consent(self, each: Prepared, address: str) -> Outcome | None:
        """Unsubscribe a person who opted out here and is subscribed there now; nobody else's status is sent."""
        member = self.client.member(wire.member_hash(address))
        if member is None:
            return superseded(each.change, GONE)
        if member.get("status") != SUBSCRIBED:
            return None
        try:
            answered = self.client.patch(address, {"status": UNSUBSCRIBED}, skips_validation=True)
        except PermanentError as error:
            return refused(each.change, error)
        is_lowered = answered.get("status", UNSUBSCRIBED) != SUBSCRIBED
        return None if is_lowered else failed(each.change, PermanentError(_NOT_LOWERED, code="consent"))

    def _with_tags(
        self, each: Prepared, made_id: str | None, address: str = "", *, left: Mapping[str, bool]
    ) -> Outcome:
        if left:
            try:
                self.client.set_tags(address or each.address, left)
            except PermanentError as error:
                return refused(each.change, error)
        return applied(each.change, made_id)

    # Deletes

    def _delete(self, prepared: list[Prepared]) -> list[Outcome]:
        return [archived(self.client, each) for each in prepared]


def _tags(each: Prepared) -> dict[str, list[str]]:
    """What a batch adds to a member's tags, if anything."""
    return {"tags": names} if (names := added(each)) else {}

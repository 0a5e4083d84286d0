"""Many members in one request: the batch endpoint of an audience.

Belongs here: which member is new, existing, a duplicate or refused, and the answer. Does not belong here: one
member's write (`writing`), operations that are run later (`operations`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations_sandbox.mailchimp import errors
from integrations_sandbox.mailchimp.errors import Problem
from integrations_sandbox.mailchimp.member_input import MemberInput, read_member
from integrations_sandbox.mailchimp.model import Member, hash_of
from integrations_sandbox.mailchimp.options import BulkArchived
from integrations_sandbox.mailchimp.writing import MemberWriter
from integrations_sandbox.wire import JsonObject

#: From the documentation of the batch endpoint.
MOST_MEMBERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRules:
    """`updates_existing`: otherwise a member that exists is an error. `syncs_tags`: a member's tags replace those it
    has instead of joining them. `skips_duplicates`: the second appearance of an address is passed over instead of
    being an error."""

    updates_existing: bool = False
    syncs_tags: bool = False
    skips_duplicates: bool = False


@dataclass(slots=True)
class BulkOutcome:
    created: list[Member] = field(default_factory=list)
    updated: list[Member] = field(default_factory=list)
    errors: list[JsonObject] = field(default_factory=list)


def write_members(writer: MemberWriter, documents: list[Any], rules: BulkRules) -> BulkOutcome:
    """Every member for itself: those that are refused do not keep the others from being written."""
    outcome = BulkOutcome()
    seen: set[str] = set()
    for document in documents:
        email = _email_in(document)
        is_repeated = email != "" and hash_of(email) in seen
        seen.add(hash_of(email))
        if is_repeated and rules.skips_duplicates:
            continue
        if is_repeated:
            # Assumed: the wording, and that the first appearance is written.
            outcome.errors.append(_error(email, "This email address appears more than once in the request."))
            continue
        try:
            _write(writer, read_member(document, allows_null=True), rules, outcome)
        except _Exists as error:
            outcome.errors.append(_error(email, str(error), code="ERROR_CONTACT_EXISTS"))
        except Problem as problem:
            outcome.errors.append(_refused(email, problem))
    return outcome


class _Exists(Exception):
    """An existing member in a request that does not update any."""


def _write(writer: MemberWriter, given: MemberInput, rules: BulkRules, outcome: BulkOutcome) -> None:
    email = given.email_address or ""
    member = writer.audience.find_email(email)
    if given.status is None and given.status_if_new is None:
        raise errors.invalid_resource(errors.not_provided("status"))
    if member is None:
        status = given.status_if_new or given.status
        outcome.created.append(writer.create(given, writer.checked_email(email), status))
        return
    was_archived, option = member.status == "archived", writer.options.bulk_archived if rules.updates_existing else None
    if not rules.updates_existing or (was_archived and option == "exists"):
        raise _Exists(
            f"{email} is already a list member, do you want to update? please provide update_existing:true in the "
            "request body"
        )
    status = _ARCHIVED_STATUS[option](given) if was_archived and option else writer.status_for(member, given)
    writer.update(member, given, status)
    if given.tags is not None:
        has_changed = writer.set_tags(member, given.tags, is_whole=rules.syncs_tags)
        writer.touch_for_tags(member, has_changed=has_changed)
    # Reported: a contact that comes back from the archive counts as created.
    is_back = was_archived and member.status != "archived"
    (outcome.created if is_back else outcome.updated).append(member)


#: What an archived member's status becomes under `bulk_archived`; None leaves it archived.
_ARCHIVED_STATUS: dict[BulkArchived, Callable[[MemberInput], str | None]] = {
    "updated": lambda _: None,
    "restored": lambda given: given.status or given.status_if_new,
}


def _email_in(document: Any) -> str:
    email = document.get("email_address") if isinstance(document, dict) else None
    return email.strip() if isinstance(email, str) else ""


def _refused(email: str, problem: Problem) -> JsonObject:
    field_name, message = problem.fields[0] if problem.fields else ("", "")
    return _error(email, problem.detail) | {"field": field_name, "field_message": message}


def _error(email: str, message: str, code: str = "ERROR_GENERIC") -> JsonObject:
    """Assumed: the address comes back in lower case. Nothing else tells which member of the request is meant."""
    return {"email_address": email.lower(), "error": message, "error_code": code, "field": "", "field_message": ""}

"""What batches answer, by e-mail. Belongs here: sorting the answer. Does not: sending it (`writer`)."""

from collections.abc import Mapping
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.members import Member

EXISTS = "exists"
THERE = "a member with this e-mail appeared at Mailchimp during the run; the next run links it"


class Answers:
    """What batches answered, by e-mail: they keep no order. `lost`: members of a request whose answer was lost."""

    def __init__(self) -> None:
        self.new: dict[str, Member] = {}
        self.lost: dict[str, Member] = {}
        #: New members that the list told of, whether or not it tells lasting ids.
        self.told: set[str] = set()
        self._updated: dict[str, Member] = {}
        self._errors: dict[str, Member] = {}

    def add(self, body: Mapping[str, Any]) -> None:
        self.new |= _by_email(body.get("new_members"))
        self._updated |= _by_email(body.get("updated_members"))
        self._errors |= _by_email(body.get("errors"))

    def made(self, address: str) -> Member | None:
        return self.new.get(address.lower()) or self._updated.get(address.lower())

    def is_refused_for_good(self, address: str) -> PermanentError | None:
        """The refusal of a member that is not there already."""
        refused = self.refused(address)
        return refused if refused is not None and refused.code != EXISTS else None

    def is_new(self, address: str) -> bool:
        return address.lower() in self.new

    def refused(self, address: str) -> PermanentError | None:
        error = self._errors.get(address.lower())
        if error is None:
            return None
        told = f"{error.get('error', '')} {error.get('field_message', '')}"
        if error.get("error_code") == "ERROR_CONTACT_EXISTS" or "already a list member" in told.lower():
            return PermanentError(THERE, code=EXISTS)
        reason = wire.reason_of(told, str(error.get("field") or ""))
        code = wire.PASSING if reason in wire.PASSING_REASONS else "refused"
        return PermanentError(reason or "Mailchimp refused the member", code=code)


def email_key(entry: Mapping[str, Any]) -> str:
    return str(entry.get("email_address") or "").strip().lower()


def _by_email(told: Any) -> dict[str, Member]:
    """The entries of one list of an answer; nothing of an answer of another form."""
    return {email_key(each): each for each in told if isinstance(each, Mapping)} if isinstance(told, list) else {}

"""A change on its way to Mailchimp: the member's address and the values that it writes. Pure.

Belongs here: values. Does not: looking members up or sending anything (`writer`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import CONSENT_OUT, Change, split_set
from integrations_pipeline.providers.mailchimp.fields import LONGEST_TAG


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A change with its member's present address and the values it writes."""

    change: Change
    address: str
    merge_fields: Mapping[str, Any]
    tags: Mapping[str, bool]

    @property
    def is_out(self) -> bool:
        return self.change.after.get("email_opt_out") == CONSENT_OUT

    @property
    def new_address(self) -> str:
        """The member's address once the change is made."""
        return self.change.after.get("email", self.address).strip()

    @property
    def is_patched(self) -> bool:
        """Whether it needs more than tags and consent."""
        return bool(self.merge_fields) or "email" in self.change.after


def tag_changes(change: Change) -> dict[str, bool]:
    """Tags to add (True) and to remove (False)."""
    if "tags" not in change.after:
        return {}
    before = {tag.lower(): tag for tag in split_set(change.before.get("tags", ""))}
    after = {tag.lower(): tag for tag in split_set(change.after["tags"])}
    if any(len(tag) > LONGEST_TAG for tag in after.values()):
        raise PermanentError(f"a tag is longer than {LONGEST_TAG} characters", code="misfit")
    added = {tag: True for key, tag in after.items() if key not in before}
    return added | {tag: False for key, tag in before.items() if key not in after}

"""What a check of an audience looks at: merge fields, values, the right to write, the plan. Nothing is written.

Belongs here: the questions and what their answers mean. Does not: requests (`client`), values (`fields`).

What no question shows: addresses that Mailchimp takes for fake, the person's state of consent, and how many contacts
the plan still has room for.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import ContactValues, MappedField
from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.providers.findings import Findings
from integrations_pipeline.providers.mailchimp.audience import AudienceFields
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.fields import FIXED, LONGEST_TAG, LONGEST_TEXT, tags_of, to_merge

#: The plan that costs nothing, in the words of GET /.
FREE_PLAN = "forever_free"
#: Assumed, for prices change: it takes 250 contacts, or 500 in accounts that had it before. So many are worth a word.
NEAR_FREE_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MailchimpCheck:
    client: MailchimpClient
    fields: AudienceFields

    def report(self, values: ContactValues) -> CheckReport:
        """The audience first: where there is none, nothing else is asked."""
        found = Findings()
        with found.until_ended():
            with found.asking("the audience", is_vital=True):
                self.client.audience()
            with found.asking("the audience's merge fields", is_vital=True):
                self._look_at_fields(found)
                found.notes += self._misfits(values)
            with found.asking("whether the key may write"):
                if not self.client.may_write():
                    found.problems.append(
                        "the key's user may not write to the audience: use a key of a manager, an admin or the owner"
                    )
            with found.asking("the account's plan"):
                self._look_at_plan(found, values)
        return found.report()

    def _look_at_fields(self, found: Findings) -> None:
        found.add_look(self.fields.look())
        required = self.fields.required_elsewhere()
        if required:
            found.notes.append(
                f"the audience requires {', '.join(required)}, which is not mapped: new members will be refused"
            )

    def _misfits(self, values: ContactValues) -> list[str]:
        """What the workspace's values meet in the merge fields, each kind of trouble with its number of contacts."""
        notes: list[str] = []
        for mapped in self.fields.mapping:
            if mapped.rule.to_remote and mapped.name not in FIXED:
                troubles = self._troubles(values, mapped)
                notes += [
                    f"{count} of {values.contact_count} contacts {trouble}" for trouble, count in troubles.items()
                ]
        long = sum(len(tag) > LONGEST_TAG for tag in values.of("tags"))
        if long:
            notes.append(f"{long} tags are longer than {LONGEST_TAG} characters: contacts with them fail alone")
        return notes

    def _troubles(self, values: ContactValues, mapped: MappedField) -> Counter[str]:
        found: Counter[str] = Counter()
        for value, count in values.of(mapped.name).items():
            try:
                parts = to_merge(value, mapped, self.fields.fields, {})
            except PermanentError as error:
                found[f"fail alone: {error}"] += count
                continue
            for tag in tags_of(mapped):
                if trouble := self._trouble(tag, parts.get(tag, "")):
                    found[trouble] += count
        return found

    def _trouble(self, tag: str, part: Any) -> str:
        field = self.fields.fields.get(tag)
        if part == "" and field is not None and field.is_required:
            return f"are refused as new members: they have nothing for merge field {tag}, which the audience requires"
        if isinstance(part, str) and len(part.encode(errors="replace")) > LONGEST_TEXT:
            return f"have more than {LONGEST_TEXT} bytes for merge field {tag}: Mailchimp may cut or refuse them"
        return ""

    def _look_at_plan(self, found: Findings, values: ContactValues) -> None:
        account = self.client.account()
        count = account.get("total_subscribers") or 0
        if account.get("pricing_plan_type") == FREE_PLAN and max(count, values.contact_count) >= NEAR_FREE_LIMIT:
            found.notes.append(
                f"the account is on Mailchimp's free plan, which ends at 250 or 500 contacts; it has {count} "
                f"subscribers, and this workspace {values.contact_count} contacts"
            )

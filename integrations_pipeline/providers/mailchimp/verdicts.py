"""What Mailchimp's answer to a write says of the merge values that were sent. Pure.

Belongs here: judging answered members. Does not: sending or putting back (`writer`).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.answers import Taken, Verdict, judge, verdict_on
from integrations_pipeline.providers.mailchimp.fields import FIXED, MergeField, tags_of, to_text
from integrations_pipeline.providers.mailchimp.members import Member

NOTHING_TOLD = Verdict(answered={}, lost=frozenset())


def verdict(
    sent: Mapping[str, Any],
    after: Mapping[str, str],
    member: Member,
    mapping: Sequence[MappedField],
    known: Mapping[str, MergeField],
) -> Verdict:
    """Of the merge values `sent` for the texts `after`: those that the member holds otherwise now.

    An answer without merge fields says nothing; one that has some and lacks a tag that was sent did not take it.
    """
    held = member.get("merge_fields")
    if not isinstance(held, Mapping) or not held:
        return NOTHING_TOLD
    written = {mapped.name: mapped for mapped in mapping if mapped.name in after and mapped.name not in FIXED}

    def text_of(values: Mapping[str, Any], name: str) -> str:
        return " ".join(text for tag in tags_of(written[name]) if (text := to_text(values.get(tag))))

    def judged(name: str, told: str, back: str) -> Taken:
        if back == text_of(sent, name):
            return Taken.SAME if back.strip() == told.strip() else Taken.NORMALISED
        if any(known.get(tag, MergeField(tag=tag)).type == "number" for tag in tags_of(written[name])):
            return Taken.NORMALISED if _is_same_number(told, back) else Taken.LOST
        return judge(told, back, written[name].kind)

    texts = {name: after[name] for name in written}
    return verdict_on(texts, {name: text_of(held, name) for name in written}, judged)


def _is_same_number(told: str, back: str) -> bool:
    try:
        return Decimal(told) == Decimal(back)
    except ArithmeticError:
        return False


def columns_of(names: frozenset[str], mapping: Sequence[MappedField]) -> str:
    """The merge tags of these fields, as they are named in a message."""
    return ", ".join(mapped.column for mapped in mapping if mapped.name in names)

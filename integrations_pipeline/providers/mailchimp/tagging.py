"""Tags of many members at once: new ones come with the batch that is sent anyway, old ones are taken away by tag.

    added    `tags` of a member in POST lists/{id}: to those that it has; what the answer shows is done
    removed  POST lists/{id}/segments/{tag}, 500 addresses each: a tag is a static segment
    the rest POST …/members/{hash}/tags, one by one

A whole list of tags is never sent: it would take away what somebody added since we looked. Belongs here: what is left
to do after an answer, and removing. Does not: which tags there are (`prepared`).
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.providers.batches import chunks
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.answers import email_key
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.members import Member
from integrations_pipeline.providers.mailchimp.prepared import Prepared

#: A tag is taken from so many members one by one: by tag it takes two calls, and one member's tags go together.
FEW = 2

#: By change: tags to add (True) and to remove (False) that no answer shows as done.
Left = dict[UUID, dict[str, bool]]


def added(each: Prepared) -> list[str]:
    return [tag for tag, is_on in each.tags.items() if is_on]


def left_over(wanted: Mapping[str, bool], told: Member | None) -> dict[str, bool]:
    """The changes of tags that a member as answered does not show; all of them where it tells no tags."""
    if not wanted or told is None or not isinstance(told.get("tags"), list):
        return dict(wanted)
    names = {str(tag.get("name") or "").strip().lower() for tag in told["tags"]}
    is_whole = int(told.get("tags_count") or 0) <= len(names)
    return {
        tag: is_on
        for tag, is_on in wanted.items()
        if (tag.lower() not in names if is_on else tag.lower() in names or not is_whole)
    }


def remove_together(client: MailchimpClient, prepared: Iterable[Prepared], left: Left) -> None:
    """Take tags that many members lose from all of them, and out of what is left; whoever is not answered stays."""
    losers: dict[str, list[Prepared]] = {}
    for each in prepared:
        for tag, is_on in left.get(each.change.id, {}).items():
            if not is_on:
                losers.setdefault(tag, []).append(each)
    for tag, members in losers.items():
        if len(members) > FEW:
            gone = _without(client, tag, [each.address for each in members])
            for each in members:
                if each.address.lower() in gone:
                    del left[each.change.id][tag]


def _without(client: MailchimpClient, tag: str, addresses: Sequence[str]) -> set[str]:
    """Addresses that the tag was taken from, or that cannot have it: there is no such tag."""
    gone: set[str] = set()
    try:
        segment = client.tag_id(tag)
        if segment is None:
            return {address.lower() for address in addresses}
        for chosen in chunks(addresses, wire.WRITE_BATCH):
            gone |= {email_key(each) for each in client.untag(segment, chosen)}
    except PermanentError:
        return gone
    return gone

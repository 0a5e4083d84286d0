"""Tags as the API's other face of them: static segments, to which many members are added at once.

Belongs here: the calls on segments. Does not belong here: one member's tags (`writing`), members in a batch (`bulk`).

Saved segments, which have conditions, do not exist here. Assumed: a segment tells of a member as added or removed only
if it was not (or was) in it before, takes members of any status but archived, and names the others among the errors.
"""

from collections.abc import Callable, Iterable

from integrations_sandbox.mailchimp import errors, query
from integrations_sandbox.mailchimp.bodies import documents_for, read_object
from integrations_sandbox.mailchimp.model import Audience, Member, stamp
from integrations_sandbox.mailchimp.writing import MemberWriter
from integrations_sandbox.wire import JsonObject, Reply, Request, Route

#: From the documentation: addresses in each of the two lists of a request.
MOST_MEMBERS = 500
_INCLUDED = ("cleaned", "transactional", "unsubscribed")
_SEGMENTS = "3.0/lists/{}/segments"
_SEGMENT = _SEGMENTS + "/{}"


class SegmentCalls:
    """`find_list` gives the audience of an id, if the request may see it; `write` what writes to it."""

    def __init__(
        self, find_list: Callable[[Request, str], Audience], write: Callable[[Request, str], MemberWriter]
    ) -> None:
        self._list = find_list
        self._write = write
        self.routes = (
            Route(method="GET", template=_SEGMENTS, handler=self.segments),
            Route(method="POST", template=_SEGMENTS, handler=self.create),
            Route(method="GET", template=_SEGMENT, handler=self.get),
            Route(method="POST", template=_SEGMENT, handler=self.change_members),
            Route(method="DELETE", template=_SEGMENT, handler=self.delete),
            Route(method="GET", template=_SEGMENT + "/members", handler=self.members),
        )

    def segments(self, request: Request, list_id: str) -> Reply:
        audience, kind = self._list(request, list_id), query.choice(request, "type", ("saved", "static", "fuzzy"))
        found = list(audience.tags) if kind in (None, "static") else []
        shown = [_segment_json(request, audience, each) for each in query.Page.read(request).cut(found)]
        links = documents_for(request).links(f"/lists/{audience.id}/segments", f"/lists/{audience.id}")
        return Reply(
            body={"segments": shown, "list_id": audience.id, "total_items": len(found), "_links": links},
        )

    def create(self, request: Request, list_id: str) -> Reply:
        """A static one; raises WireError for a name that is taken. Assumed: the wording."""
        writer, document = self._write(request, list_id), read_object(request)
        name, emails = document.get("name"), document.get("static_segment")
        if not isinstance(name, str) or not name.strip():
            raise errors.invalid_resource(errors.not_provided("name"))
        if writer.audience.known_tag_id(name) is not None:
            raise errors.problem(400, "Bad Request", "Sorry, that tag already exists.")
        _move(writer, name, _addresses(document, "static_segment") if emails is not None else [], is_in=True)
        return Reply(body=_segment_json(request, writer.audience, writer.audience.tag_id(name)))

    def get(self, request: Request, list_id: str, segment_id: str) -> Reply:
        audience = self._list(request, list_id)
        return Reply(body=_segment_json(request, audience, _known(audience, segment_id)))

    def delete(self, request: Request, list_id: str, segment_id: str) -> Reply:
        """Takes the tag off every member."""
        audience = self._list(request, list_id)
        audience.drop_tag(_known(audience, segment_id))
        return Reply(status=204)

    def members(self, request: Request, list_id: str, segment_id: str) -> Reply:
        audience = self._list(request, list_id)
        found = _members(request, audience, _known(audience, segment_id))
        documents = documents_for(request)
        shown = [documents.member(audience, each) for each in query.Page.read(request).cut(found)]
        links = documents.links(f"/lists/{audience.id}/segments/{segment_id}/members", f"/lists/{audience.id}")
        return Reply(body={"members": shown, "total_items": len(found), "_links": links})

    def change_members(self, request: Request, list_id: str, segment_id: str) -> Reply:
        writer, document = self._write(request, list_id), read_object(request)
        name = writer.audience.tags[_known(writer.audience, segment_id)]
        wanted = _addresses(document, "members_to_add"), _addresses(document, "members_to_remove")
        added, unknown = _move(writer, name, wanted[0], is_in=True)
        removed, strangers = _move(writer, name, wanted[1], is_in=False)
        documents, failed = documents_for(request), [*unknown, *strangers]
        message = "Email addresses are not on the list, or are archived."
        body = {
            "members_added": [documents.member(writer.audience, each) for each in added],
            "members_removed": [documents.member(writer.audience, each) for each in removed],
            "errors": [{"email_addresses": failed, "error": message}] if failed else [],
            "total_added": len(added),
            "total_removed": len(removed),
            "error_count": len(failed),
            "_links": documents.links(f"/lists/{list_id}/segments/{segment_id}", f"/lists/{list_id}/segments"),
        }
        return Reply(body=body)


def _move(writer: MemberWriter, name: str, emails: Iterable[str], *, is_in: bool) -> tuple[list[Member], list[str]]:
    """The members that changed, and the addresses that are nobody's."""
    tag_id = writer.audience.tag_id(name)
    changed, unknown = [], []
    for email in emails:
        member = writer.audience.find_email(email)
        if member is None or member.status == "archived":
            unknown.append(email)
        elif (tag_id in member.tags) is not is_in:
            has_changed = writer.set_tags(member, [name]) if is_in else writer.remove_tags(member, [name])
            writer.touch_for_tags(member, has_changed=has_changed)
            changed.append(member)
    return changed, unknown


def _addresses(document: JsonObject, key: str) -> list[str]:
    addresses = document.get(key, [])
    if not isinstance(addresses, list) or not all(isinstance(each, str) for each in addresses):
        raise errors.invalid_resource(errors.not_of_type(key, "array", addresses))
    if len(addresses) > MOST_MEMBERS:
        # Assumed: the wording.
        raise errors.invalid_resource((key, f"No more than {MOST_MEMBERS} members can be submitted."))
    return addresses


def _known(audience: Audience, segment_id: str) -> int:
    if not segment_id.isdigit() or int(segment_id) not in audience.tags:
        raise errors.not_found()
    return int(segment_id)


def _members(request: Request, audience: Audience, tag_id: int) -> list[Member]:
    """Those that get mail, and those of other statuses that the request includes."""
    statuses = {"subscribed", *(each for each in _INCLUDED if query.flag(request, f"include_{each}"))}
    return [each for each in audience.members.values() if tag_id in each.tags and each.status in statuses]


def _segment_json(request: Request, audience: Audience, tag_id: int) -> JsonObject:
    path = f"/lists/{audience.id}/segments"
    return {
        "id": tag_id,
        "name": audience.tags[tag_id],
        "member_count": len(_members(request, audience, tag_id)),
        "type": "static",
        "created_at": stamp(audience.created_at),
        "updated_at": stamp(audience.created_at),
        "list_id": audience.id,
        "_links": documents_for(request).links(f"{path}/{tag_id}", path),
    }

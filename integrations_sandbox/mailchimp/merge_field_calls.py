"""The calls of the API on the merge fields of an audience.

Belongs here: reading these requests and answering them. Does not belong here: what becomes of the members (`schema`).
"""

from collections.abc import Callable

from integrations_sandbox.mailchimp import errors, query, schema
from integrations_sandbox.mailchimp.bodies import documents_for, read_json
from integrations_sandbox.mailchimp.model import Audience, MergeField
from integrations_sandbox.wire import Reply, Request, Route

_FIELDS = "3.0/lists/{}/merge-fields"
_FIELD = _FIELDS + "/{}"


class MergeFieldCalls:
    """`find_list` gives the audience of an id, if the request may see it."""

    def __init__(self, find_list: Callable[[Request, str], Audience]) -> None:
        self._list = find_list
        self.routes = (
            Route(method="GET", template=_FIELDS, handler=self.merge_fields),
            Route(method="POST", template=_FIELDS, handler=self.add_merge_field),
            Route(method="GET", template=_FIELD, handler=self.get_merge_field),
            Route(method="PATCH", template=_FIELD, handler=self.change_merge_field),
            Route(method="DELETE", template=_FIELD, handler=self.delete_merge_field),
        )

    def merge_fields(self, request: Request, list_id: str) -> Reply:
        audience, kind = self._list(request, list_id), request.value("type")
        only_required = query.flag(request, "required")
        found = [
            each
            for each in audience.merge_fields
            if kind in (None, each.type) and (each.is_required or not only_required)
        ]
        documents = documents_for(request)
        shown = [documents.merge_field(audience, each) for each in query.Page.read(request).cut(found)]
        links = documents.links(f"/lists/{audience.id}/merge-fields", f"/lists/{audience.id}")
        return Reply(
            body={"merge_fields": shown, "list_id": audience.id, "total_items": len(found), "_links": links},
        )

    def add_merge_field(self, request: Request, list_id: str) -> Reply:
        audience = self._list(request, list_id)
        field = schema.add_field(audience, read_json(request))
        return Reply(body=documents_for(request).merge_field(audience, field))

    def get_merge_field(self, request: Request, list_id: str, merge_id: str) -> Reply:
        audience, field = self._field(request, list_id, merge_id)
        return Reply(body=documents_for(request).merge_field(audience, field))

    def change_merge_field(self, request: Request, list_id: str, merge_id: str) -> Reply:
        """A new tag takes the members' values along. The type stays what it is, whatever the body says."""
        audience, field = self._field(request, list_id, merge_id)
        schema.change_field(audience, field, read_json(request))
        return Reply(body=documents_for(request).merge_field(audience, field))

    def delete_merge_field(self, request: Request, list_id: str, merge_id: str) -> Reply:
        """With the members' values."""
        audience, field = self._field(request, list_id, merge_id)
        schema.delete_field(audience, field)
        return Reply(status=204)

    def _field(self, request: Request, list_id: str, merge_id: str) -> tuple[Audience, MergeField]:
        audience = self._list(request, list_id)
        field = next((each for each in audience.merge_fields if str(each.merge_id) == merge_id), None)
        if field is None:
            raise errors.not_found()
        return audience, field

"""What every call reads from a request and needs to answer it.

Belongs here: JSON bodies, the address of this server in links. Does not belong here: single parameters (`query`),
members in bodies (`member_input`).
"""

from typing import Any

from integrations_sandbox.mailchimp import errors
from integrations_sandbox.mailchimp.documents import Documents
from integrations_sandbox.mailchimp.model import Member
from integrations_sandbox.wire import JsonObject, Request


def origin(request: Request) -> str:
    return f"http://{request.host}/mailchimp"


def documents_for(request: Request) -> Documents:
    return Documents(origin(request) + "/3.0")


def existing(member: Member | None) -> Member:
    if member is None:
        raise errors.not_found()
    return member


def read_json(request: Request) -> Any:
    try:
        return request.json()
    except ValueError as error:
        raise errors.json_parse_error() from error


def read_object(request: Request) -> JsonObject:
    document = read_json(request)
    if not isinstance(document, dict):
        raise errors.invalid_resource(errors.not_of_type("", "object", document))
    return document

"""Mailchimp's error bodies, one function per kind.

Belongs here: status, title, detail and field messages of a refusal. Does not belong here: the decision to refuse.

Bodies are `application/problem+json`: `type`, `title`, `status`, `detail`, `instance`, and `errors` where single
fields are at fault; `instance` is added when the answer goes out. Refusals that come from a member's state lack
`type`, as on the real wire. Wordings without a remark were seen on the wire or are documented; "Assumed:" marks the
others, on which no client should depend.
"""

from collections.abc import Iterable, Sequence

from integrations_sandbox.wire import JsonObject, WireError

TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
CONTENT_TYPE = ("content-type", "application/problem+json; charset=utf-8")

FieldError = tuple[str, str]
_STATUS_NAMES = {"transactional": "Non-Subscribed", "archived": "Deleted"}


class Problem(WireError):
    """A refusal with the headers that go with it; an empty `body` is sent as no body at all."""

    def __init__(self, status: int, body: JsonObject, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(status, body)
        self.headers = tuple(headers)

    @property
    def detail(self) -> str:
        return str(self.body.get("detail", ""))

    @property
    def fields(self) -> list[FieldError]:
        return [(each["field"], each["message"]) for each in self.body.get("errors", [])]


def problem(status: int, title: str, detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    body: JsonObject = {"type": TYPE, "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = [{"field": field, "message": message} for field, message in errors]
    return Problem(status, body)


def _member_state(title: str, detail: str) -> Problem:
    return Problem(400, {"title": title, "status": 400, "detail": detail})


# Who is asking


def api_key_missing() -> Problem:
    return problem(401, "API Key Missing", "Your request did not include an API key.")


def api_key_invalid() -> Problem:
    detail = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    return problem(401, "API Key Invalid", detail)


def user_disabled() -> Problem:
    return problem(403, "User Disabled", "This account has been deactivated.")


def forbidden() -> Problem:
    """What a user's role does not allow. Assumed: the wording; that the status is 403 is documented."""
    return problem(403, "Forbidden", "You are not permitted to access this resource.")


def too_many_connections(limit: int) -> Problem:
    """No Retry-After and no rate headers: Mailchimp sends none."""
    return problem(429, "Too Many Requests", f"You have exceeded the limit of {limit} simultaneous connections.")


def throttled_without_body() -> Problem:
    """What is sent in place of a 429 when the volume is exceptionally high."""
    return Problem(403, {})


# Paths and bodies


def not_found() -> Problem:
    return problem(404, "Resource Not Found", "The requested resource could not be found.")


def method_not_allowed(methods: Iterable[str]) -> Problem:
    detail = (
        "The requested method and resource are not compatible. See the Allow header for this resource's available "
        "methods."
    )
    refusal = problem(405, "Method Not Allowed", detail)
    return Problem(405, refusal.body, [("allow", ", ".join(methods))])


def json_parse_error() -> Problem:
    return problem(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.")


def invalid_resource(*errors: FieldError) -> Problem:
    """What does not fit the schema of the request."""
    detail = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return problem(400, "Invalid Resource", detail, errors)


def not_of_type(field: str, wanted: str, value: object) -> FieldError:
    return field, f"Schema describes {wanted}, {_json_type(value)} found instead"


def not_accepted(field: str, choices: Iterable[str]) -> FieldError:
    return field, f"Data presented is not one of the accepted values: {', '.join(choices)}."


def not_provided(field: str) -> FieldError:
    return "", f"Required fields were not provided: {field}"


# Members


def invalid_email() -> Problem:
    return problem(400, "Invalid Resource", "Please provide a valid email address.")


def fake_email(email: str) -> Problem:
    detail = f"{email} looks fake or invalid, please enter a real email address."
    return problem(400, "Invalid Resource", detail)


def too_many_signups(email: str) -> Problem:
    detail = f"{email} has signed up to a lot of lists very recently; we're not allowing more signups for now"
    return problem(400, "Invalid Resource", detail)


def invalid_merge_fields(errors: Sequence[FieldError]) -> Problem:
    return problem(400, "Invalid Resource", "Your merge fields were invalid.", errors)


def member_exists(email: str) -> Problem:
    detail = f"{email} is already a list member. Use PUT to insert or update list members."
    return _member_state("Member Exists", detail)


def in_compliance_state(email: str) -> Problem:
    detail = (
        f"{email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    )
    return _member_state("Member In Compliance State", detail)


def forgotten_email(email: str) -> Problem:
    detail = (
        f"{email} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on "
        "the list."
    )
    return _member_state("Forgotten Email Not Subscribed", detail)


def email_taken(email: str, status: str) -> Problem:
    """The new address of a member belongs to another one."""
    name = _STATUS_NAMES.get(status, status.capitalize())
    return invalid_resource(("email address", f'"{email}" is already in this list with a status of "{name}".'))


def email_is_fixed(status: str) -> Problem:
    message = (
        f'This member\'s status is "{status}." You can only update email addresses for members with a status of '
        '"subscribed."'
    )
    return invalid_resource(("email address", message))


def cannot_be_archived() -> Problem:
    detail = "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
    refusal = problem(405, "Method Not Allowed", detail)
    return Problem(405, refusal.body, [("allow", "GET, PUT")])


# Merge fields


def merge_tag_taken(tag: str) -> Problem:
    detail = f'A Merge Field with the tag "{tag}" already exists for this list.'
    return problem(400, "Invalid Resource", detail)


def _json_type(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "object")

"""Airtable's error bodies, one function per kind.

Belongs here: status, type and message of a refusal, in the four shapes that Airtable uses.
Does not belong here: the decision to refuse.

Types without a remark were seen on the wire or are documented. "Assumed:" marks the others: their status is
documented, their type and wording are not, so no client should depend on them.
"""

from integrations_sandbox.wire import WireError


def refusal(status: int, kind: str, message: str | None = None) -> WireError:
    """The usual shape: `{"error": {"type", "message"}}`."""
    error = {"type": kind} if message is None else {"type": kind, "message": message}
    return WireError(status, {"error": error})


def plural_refusal(status: int, kind: str, message: str) -> WireError:
    """The shape of every 429: `{"errors": [{"error", "message"}]}`."""
    return WireError(status, {"errors": [{"error": kind, "message": message}]})


def authentication_required() -> WireError:
    return refusal(401, "AUTHENTICATION_REQUIRED", "Authentication required")


def no_permission_or_model() -> WireError:
    return refusal(
        403,
        "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
        "Invalid permissions, or the requested model was not found. Check that both your user and your token "
        "have the required permissions, and that the model names and/or ids are correct.",
    )


def no_permission() -> WireError:
    return refusal(403, "INVALID_PERMISSIONS", "You are not permitted to perform this operation")


def bare_not_found() -> WireError:
    """The shape for an id that cannot be one, and for an unknown path: `error` is a plain string."""
    return WireError(404, {"error": "NOT_FOUND"})


def schema_not_found() -> WireError:
    """A schema request for a base that the token cannot see; no message."""
    return refusal(404, "NOT_FOUND")


def table_not_found(table: str, base_id: str) -> WireError:
    return refusal(404, "TABLE_NOT_FOUND", f"Could not find table {table} in application {base_id}")


def record_not_found() -> WireError:
    return refusal(404, "MODEL_ID_NOT_FOUND", "Record not found")


def row_does_not_exist(record_id: str) -> WireError:
    return refusal(422, "ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist in this table")


def too_many_records(verb: str, count: int) -> WireError:
    message = f"A maximum of 10 records can be {verb} per request but you have provided {count}."
    return refusal(422, "INVALID_RECORDS", message)


def invalid_records(message: str) -> WireError:
    return refusal(422, "INVALID_RECORDS", message)


def unknown_field(name: str) -> WireError:
    return refusal(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')


def field_name_taken() -> WireError:
    # Assumed: the type.
    return refusal(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", "Field names must be unique and not empty")


def invalid_value(name: str) -> WireError:
    return refusal(422, "INVALID_VALUE_FOR_COLUMN", f'Field "{name}" cannot accept the provided value')


def computed_field(name: str) -> WireError:
    message = f'Field "{name}" cannot accept a value because the field is computed'
    return refusal(422, "INVALID_VALUE_FOR_COLUMN", message)


def unknown_choice(choice: str) -> WireError:
    message = f'Insufficient permissions to create new select option "{choice}"'
    return refusal(422, "INVALID_MULTIPLE_CHOICE_OPTIONS", message)


def invalid_formula(detail: str) -> WireError:
    message = f"The formula for filtering records is invalid: {detail}"
    return refusal(422, "INVALID_FILTER_BY_FORMULA", message)


def iterator_gone() -> WireError:
    message = "The iterator is not available. Start listing records again, from the first page."
    return refusal(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", message)


def invalid_request(detail: str) -> WireError:
    """Assumed: the type of every 422 for which no other type is known."""
    return refusal(422, "INVALID_REQUEST_UNKNOWN", f"Invalid request: {detail}")


def missing_fields() -> WireError:
    # Assumed: type and wording.
    return refusal(422, "INVALID_REQUEST_MISSING_FIELDS", 'Could not find field "fields" in the request body')


def invalid_json() -> WireError:
    # Assumed: the type; the status is documented.
    return refusal(400, "INVALID_REQUEST_BODY", "Could not parse request body")


def url_too_long() -> WireError:
    # Assumed: the type and the wording; the limit of 16,000 characters is documented.
    return refusal(414, "URI_TOO_LONG", "The URL must be shorter than 16,000 characters")


def rate_limit_reached() -> WireError:
    return plural_refusal(429, "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later")


def billing_limit_exceeded() -> WireError:
    return plural_refusal(
        429,
        "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
        "API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month.",
    )

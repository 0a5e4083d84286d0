"""The refusals of the authorization servers.

Belongs here: statuses and bodies in the form of RFC 6749 that more than one provider uses. Does not belong
here: the decision to refuse, and wordings of one provider.
"""

from integrations_sandbox.wire import WireError


def refusal(status: int, error: str, description: str | None = None, **more: str) -> WireError:
    body = {"error": error} | ({} if description is None else {"error_description": description})
    return WireError(status, body | more)


def invalid_client(description: str) -> WireError:
    """401 is documented by Google and Airtable, and assumed of Mailchimp."""
    return refusal(401, "invalid_client", description)


def invalid_request(description: str) -> WireError:
    return refusal(400, "invalid_request", description)


def invalid_grant(description: str) -> WireError:
    return refusal(400, "invalid_grant", description)


def invalid_scope(description: str) -> WireError:
    return refusal(400, "invalid_scope", description)


def unsupported_grant_type() -> WireError:
    return refusal(400, "unsupported_grant_type", "The grant type is not supported")

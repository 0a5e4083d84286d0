"""Who is asking, and whether there is room for one more request.

Belongs here: keys in headers, disabled accounts, simultaneous connections. Does not belong here: which keys there
are (`state`), what is asked for (`api`).
"""

import base64
import binascii

from integrations_sandbox.mailchimp import errors
from integrations_sandbox.mailchimp.model import Account
from integrations_sandbox.mailchimp.state import Mailchimp
from integrations_sandbox.wire import Request

#: From the documentation: requests of one user that may be under way at once.
CONNECTION_LIMIT = 10


class Admission:
    """Lets requests in, or raises WireError."""

    def __init__(self, mailchimp: Mailchimp) -> None:
        self._mailchimp = mailchimp

    def admit(self, request: Request, *, is_full: bool) -> None:
        """Key, account, role, connections, in this order. Assumed: the order, and that a role is looked at before what
        a request names. `is_full` refuses whatever is under way."""
        if not request.authorization:
            raise errors.api_key_missing()
        account = self.account(request)
        if account.is_disabled:
            raise errors.user_disabled()
        if request.method != "GET" and self._mailchimp.is_read_only(_secret(request)):
            raise errors.forbidden()
        options = self._mailchimp.options
        if not is_full and (
            options.connection_limit is None or self._ahead(request, account) < options.connection_limit
        ):
            return
        if options.throttles_without_body:
            raise errors.throttled_without_body()
        raise errors.too_many_connections(options.connection_limit or CONNECTION_LIMIT)

    def account(self, request: Request) -> Account:
        account = self._find(request)
        if account is None:
            raise errors.api_key_invalid()
        return account

    def _ahead(self, request: Request, account: Account) -> int:
        """How many requests of the account came before this one and have no answer yet."""
        return sum(self._find(each) is account for each in self._mailchimp.stage.underway.before(request))

    def _find(self, request: Request) -> Account | None:
        return self._mailchimp.find_account(_secret(request))


def _secret(request: Request) -> str | None:
    """The key or token of either scheme; in Basic the user name means nothing."""
    if request.token is not None:
        return request.token
    scheme, _, encoded = request.authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None

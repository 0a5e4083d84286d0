"""Requests for the contacts of one HubSpot account. Knows paths and shapes; decides nothing about contacts.

Belongs here: one method per endpoint. Does not: mapping, which search comes next (`walking`), retries
(`providers.http`).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from integrations_pipeline.errors import PermanentError, WrongAnswerError
from integrations_pipeline.providers.base import ProviderContext
from integrations_pipeline.providers.http import Endpoint, HttpClient, PaceRule, RetryPolicy
from integrations_pipeline.providers.hubspot import shapes, wire
from integrations_pipeline.providers.shapes import NOTHING

Contact = Mapping[str, Any]
Input = Mapping[str, Any]
_CONTACTS = f"crm/objects/{wire.VERSION}/contacts"
_PROPERTIES = f"crm/properties/{wire.VERSION}/contacts"
_STATUSES = f"communication-preferences/{wire.VERSION}/statuses"
#: No contact has it.
_NOBODY = "0"


class HubSpotClient:
    """The endpoints of one account. `names`: the properties that are asked for of each contact."""

    def __init__(self, context: ProviderContext, *, api_url: str, names: Sequence[str]) -> None:
        self.names = tuple(names)
        host, scale = httpx.URL(api_url).netloc.decode(), context.rate_scale
        usual = PaceRule(
            key=f"hubspot:{host}:{context.account}",
            interval_seconds=wire.INTERVAL_SECONDS / scale,
            penalty_seconds=wire.TEN_SECONDLY_SECONDS / scale,
        )
        search = PaceRule(
            key=f"hubspot:{host}:{context.account}:search",
            interval_seconds=wire.SEARCH_INTERVAL_SECONDS / scale,
            penalty_seconds=wire.SECONDLY_SECONDS / scale,
        )

        def client(*rules: PaceRule) -> HttpClient:
            endpoint = Endpoint(
                base_url=api_url,
                tokens=context.tokens,
                read_error=wire.read_error,
                pace=rules,
                retry=RetryPolicy.within(context.patience_seconds),
            )
            return HttpClient(endpoint, pacer=context.pacer, transport=context.transport, sleep=context.sleep)

        self._http = client(usual)
        self._search_http = client(usual, search)

    @property
    def call_count(self) -> int:
        return self._http.call_count + self._search_http.call_count

    @property
    def server_time(self) -> datetime | None:
        """HubSpot's clock at the last answer; None before the first."""
        times = [each for each in (self._http.server_time, self._search_http.server_time) if each]
        return max(times, default=None)

    # Reading

    def page(self, after: str = "", *, is_archived: bool = False) -> tuple[list[Contact], str]:
        """One page of the list, which goes by id, and where the next one begins, "" at its end."""
        params = [("limit", str(wire.LIST_PAGE)), ("archived", "true" if is_archived else "false")]
        params += [("properties", ",".join(self.names))] if not is_archived else []
        params += [("after", after)] if after else []
        body = self._http.request("GET", _CONTACTS, params=params, shape=shapes.CONTACTS)
        following = str(((body.get("paging") or {}).get("next") or {}).get("after") or "")
        if following and following == after:
            raise WrongAnswerError("HubSpot tells the same page of contacts again and again")
        return body["results"], following

    def search(self, filters: Sequence[Mapping[str, Any]], sort: str) -> tuple[list[Contact], bool]:
        """The first results in ascending order, by id and modification date only, and whether there are more."""
        asked = {
            "filterGroups": [{"filters": list(filters)}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": ["lastmodifieddate"],
            "limit": wire.SEARCH_PAGE,
        }
        body = self._search_http.request("POST", f"{_CONTACTS}/search", json=asked, shape=shapes.SEARCH)
        return body["results"], body["total"] > len(body["results"])

    def read(self, keys: Sequence[str], *, by_email: bool = False) -> tuple[list[Contact], frozenset[str]]:
        """Up to 100 contacts by id or address, and those of the keys that the answer says nobody has."""
        asked: dict[str, Any] = {"inputs": [{"id": key} for key in keys], "properties": list(self.names)}
        asked |= {"idProperty": "email"} if by_email else {}
        body = self._http.request("POST", f"{_CONTACTS}/batch/read", json=asked, shape=shapes.BATCH)
        told = [each for each in body.get("errors") or () if each.get("category") == wire.GONE]
        gone = {key for each in told for key in (each.get("context") or {}).get("ids", ())}
        return body["results"], frozenset(gone & set(keys))

    def one(self, contact_id: str) -> Contact | None:
        """A contact by id; of one that was merged, what it became; None where there is none."""
        params = [("properties", ",".join(self.names))]
        try:
            path = f"{_CONTACTS}/{quote(contact_id, safe='')}"
            body: Contact = self._http.request("GET", path, params=params, shape=shapes.CONTACT)
        except PermanentError as error:
            if error.code == wire.GONE:
                return None
            raise
        return body

    # Writing

    def create(self, inputs: Sequence[Input]) -> Mapping[str, Any]:
        """Make contacts; an address that somebody has is refused. A lost answer raises `InDoubtError`."""
        return self._batch("create", inputs, is_repeatable=False)

    def update(self, inputs: Sequence[Input]) -> Mapping[str, Any]:
        return self._batch("update", inputs)

    def upsert(self, inputs: Sequence[Input]) -> Mapping[str, Any]:
        """Write to whoever has the address, or make somebody; the same request twice has the same effect."""
        return self._batch("upsert", inputs)

    def _batch(self, name: str, inputs: Sequence[Input], *, is_repeatable: bool = True) -> Mapping[str, Any]:
        body: Mapping[str, Any] = self._http.request(
            "POST",
            f"{_CONTACTS}/batch/{name}",
            json={"inputs": list(inputs)},
            is_repeatable=is_repeatable,
            shape=shapes.BATCH,
        )
        return body

    def archive(self, ids: Sequence[str]) -> bool:
        """Archive contacts; whether HubSpot answered as it does when it has: with nothing at all (204)."""
        asked = {"inputs": [{"id": key} for key in ids]}
        try:
            self._http.request("POST", f"{_CONTACTS}/batch/archive", json=asked, shape=NOTHING)
        except WrongAnswerError:
            return False
        except PermanentError as error:
            # HubSpot calls a path that is not there by the same word as a contact.
            if error.code != wire.GONE:
                raise
            return False
        return True

    def unsubscribe(self, email: str) -> bool:
        """Opt an address out of all e-mail; whether it is out now. There is no request here that opts anybody in."""
        path = f"{_STATUSES}/{quote(email, safe='')}/unsubscribe-all"
        params = [("channel", "EMAIL")]
        body = self._http.request("POST", path, params=params, shape=shapes.STATUSES)
        return any(each["status"] == "UNSUBSCRIBED" for each in body["results"])

    # The account

    def properties(self) -> list[Mapping[str, Any]] | None:
        """Every property of contacts; None where the token may not read them."""
        try:
            body = self._http.request("GET", _PROPERTIES, shape=shapes.PROPERTIES)
        except wire.MissingScopeError:
            return None
        return list(body["results"])

    def portal_id(self) -> str:
        """The id of the token's account."""
        path = f"account-info/{wire.VERSION}/details"
        return str(self._http.request("GET", path, shape=shapes.ACCOUNT)["portalId"])

    def require_write(self) -> None:
        """Ask whether the token may write, by an update of nothing in a contact that cannot exist; raises what it is
        refused with. Assumed: HubSpot looks at scopes before it does not find the contact."""
        with suppress(PermanentError):
            self._batch("update", [{"id": _NOBODY, "properties": {}}])

    def close(self) -> None:
        self._http.close()
        self._search_http.close()

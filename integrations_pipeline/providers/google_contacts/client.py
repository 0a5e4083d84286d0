"""Requests to one account's contacts. Knows paths and shapes; decides nothing about contacts.

Belongs here: one method per endpoint. Does not: mapping, what an answer means (`provider`, `writer`), retries
(`providers.http`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpx

from integrations_pipeline.errors import CursorExpiredError, PermanentError, WrongAnswerError
from integrations_pipeline.providers.base import ProviderContext
from integrations_pipeline.providers.batches import chunks
from integrations_pipeline.providers.google_contacts import shapes, wire
from integrations_pipeline.providers.http import Endpoint, HttpClient, PaceRule, RetryPolicy

Person = Mapping[str, Any]
Answer = Mapping[str, Any]
#: A contact holds what its owner typed; what the person tells of itself in a profile is another source.
_SOURCE = "READ_SOURCE_TYPE_CONTACT"
#: The resource name of nobody.
_NOBODY = "people/c0"


class ContactsClient:
    """The endpoints of one account. `mask`: the fields that are asked for wherever contacts are told."""

    def __init__(self, context: ProviderContext, *, api_url: str, mask: Sequence[str]) -> None:
        self.mask = ",".join(mask)
        pace = PaceRule(
            key=f"google_contacts:{httpx.URL(api_url).netloc.decode()}:{context.account}",
            interval_seconds=wire.INTERVAL_SECONDS / context.rate_scale,
            penalty_seconds=wire.PENALTY_SECONDS / context.rate_scale,
        )
        endpoint = Endpoint(
            base_url=api_url,
            tokens=context.tokens,
            read_error=wire.read_error,
            pace=[pace],
            retry=RetryPolicy.within(context.patience_seconds),
        )
        self.http = HttpClient(endpoint, pacer=context.pacer, transport=context.transport, sleep=context.sleep)

    def pages(self, sync_token: str = "") -> Iterator[Answer]:
        """All contacts page by page, or what changed since a sync token; the last page has the next token.

        `CursorExpiredError` where Google does not take the sync token any more: by its reason, whatever the status, and
        also where it finds another fault with the same request, which without the token is asked every day.
        """
        seen: set[str] = set()
        page_token = ""
        while page_token not in seen:
            seen.add(page_token)
            page = self._page(sync_token, page_token, wire.PAGE_SIZE)
            yield page
            page_token = page.get("nextPageToken", "")
            if not page_token:
                return
        raise WrongAnswerError("Google's list of contacts leads back to a page that was read")

    def count(self) -> int:
        """How many contacts there are, as Google tells it; asked for with the smallest page."""
        return int(self._page("", "", 1).get("totalItems", 0))

    def _page(self, sync_token: str, page_token: str, size: int) -> Answer:
        params = [("personFields", self.mask), ("sources", _SOURCE), ("pageSize", str(size))]
        params += [("requestSyncToken", "true")]
        params += [("syncToken", sync_token)] if sync_token else []
        params += [("pageToken", page_token)] if page_token else []
        try:
            page: Answer = self.http.request("GET", "v1/people/me/connections", params=params, shape=shapes.CONNECTIONS)
        except PermanentError as error:
            if sync_token and error.code in (wire.EXPIRED, wire.INVALID, wire.STALE):
                raise CursorExpiredError("Google's sync token has expired: everything is read again") from error
            raise
        return page

    def get(self, names: Sequence[str]) -> Iterator[Answer]:
        """An answer for each of these resource names (`getBatchGet`): a person, or a status that says why not."""
        for chosen in chunks(names, wire.BATCH):
            params = [("personFields", self.mask), ("sources", _SOURCE)]
            params += [("resourceNames", name) for name in chosen]
            body = self.http.request("GET", "v1/people:batchGet", params=params, shape=shapes.GOT)
            told = {each["requestedResourceName"]: each for each in body["responses"]}
            if told.keys() != set(chosen):
                raise WrongAnswerError("Google answered about other contacts than those that were asked for")
            yield from told.values()

    def create(self, people: Sequence[Person]) -> list[Answer]:
        """Make contacts; `InDoubtError` where the answer is lost."""
        body = {"contacts": [{"contactPerson": person} for person in people], **self._reading}
        path = "v1/people:batchCreateContacts"
        answer = self.http.request("POST", path, json=body, is_repeatable=False, shape=shapes.CREATED)
        return list(answer["createdPeople"])

    def update(self, people: Mapping[str, Person], mask: Sequence[str]) -> Mapping[str, Answer]:
        """Replace these fields of contacts, each as it was when it had the etag that is given with it. Sent again after
        a lost answer: what was applied has another etag by then."""
        body = {"contacts": dict(people), "updateMask": ",".join(mask), **self._reading}
        answer = self.http.request("POST", "v1/people:batchUpdateContacts", json=body, shape=shapes.UPDATED)
        told: Mapping[str, Answer] = answer["updateResult"]
        return told

    def delete(self, names: Sequence[str]) -> None:
        body = {"resourceNames": list(names)}
        self.http.request("POST", "v1/people:batchDeleteContacts", json=body, shape=shapes.DELETED)

    def groups(self) -> list[Answer]:
        """All labels, the system's own among them."""
        found: list[Answer] = []
        seen: set[str] = set()
        page_token = ""
        while page_token not in seen:
            seen.add(page_token)
            params = [("pageSize", "1000"), ("groupFields", "name,groupType")]
            params += [("pageToken", page_token)] if page_token else []
            body = self.http.request("GET", "v1/contactGroups", params=params, shape=shapes.GROUPS)
            found += body["contactGroups"]
            page_token = body.get("nextPageToken", "")
            if not page_token:
                return found
        raise WrongAnswerError("Google's list of labels leads back to a page that was read")

    def create_group(self, name: str) -> Answer:
        """Repeatable: a name that is taken is refused."""
        body = {"contactGroup": {"name": name}, "readGroupFields": "name,groupType"}
        answer: Answer = self.http.request("POST", "v1/contactGroups", json=body, shape=shapes.GROUP)
        return answer

    def require_writing(self) -> None:
        """`NeedsAttentionError` if the grant does not allow writing: asked by a request that changes nothing, to delete
        a contact that cannot exist. Assumed: Google looks at the scopes first, as elsewhere."""
        with suppress(PermanentError):
            self.http.request("DELETE", f"v1/{_NOBODY}:deleteContact", shape=shapes.DELETED)

    def close(self) -> None:
        self.http.close()

    @property
    def _reading(self) -> dict[str, Any]:
        return {"readMask": self.mask, "sources": [_SOURCE]}

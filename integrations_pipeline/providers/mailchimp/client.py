"""Requests to one Mailchimp audience. Knows paths and shapes; decides nothing about contacts.

Belongs here: one method per endpoint. Does not: mapping, which page comes next (`paging`), retries (`providers.http`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    NeedsAttentionError,
    PermanentError,
    WrongAnswerError,
)
from integrations_pipeline.providers.base import ProviderContext
from integrations_pipeline.providers.http import Endpoint, HttpClient, PaceRule, RetryPolicy, Room
from integrations_pipeline.providers.mailchimp import shapes, wire
from integrations_pipeline.providers.mailchimp.members import ARCHIVED, FIELDS, Member, write_time
from integrations_pipeline.providers.mailchimp.paging import read_pages
from integrations_pipeline.providers.mailchimp.position import Position, Window
from integrations_pipeline.providers.shapes import NOTHING

_PAGE_FIELDS = ",".join([*(f"members.{name}" for name in FIELDS), "total_items"])
#: The hash of no address.
_NO_MEMBER = "0" * 32
_MEMBER_FIELDS = ",".join(FIELDS)


class MailchimpClient:
    """The endpoints of one audience."""

    def __init__(self, context: ProviderContext, *, api_url: str, list_id: str) -> None:
        address = wire.base_address(api_url, context.credentials)
        self._list = f"lists/{quote(list_id, safe='')}"
        self._list_id = list_id
        account = f"mailchimp:{httpx.URL(address).netloc.decode()}:{context.account}"
        pace = PaceRule(
            key=account,
            interval_seconds=wire.INTERVAL_SECONDS / context.rate_scale,
            penalty_seconds=wire.PENALTY_SECONDS / context.rate_scale,
        )
        endpoint = Endpoint(
            base_url=address,
            tokens=context.tokens,
            scheme=wire.authorization,
            read_error=wire.read_error,
            pace=[pace],
            room=Room(key=account, count=wire.UNDER_WAY),
            retry=RetryPolicy.within(context.patience_seconds),
            bounds=wire.BOUNDS,
        )
        self.http = HttpClient(endpoint, pacer=context.pacer, transport=context.transport, sleep=context.sleep)

    def audience(self) -> Mapping[str, Any]:
        """GET lists/{id}; `ConfigurationError` where there is none."""
        params = [("fields", "id,name,stats.member_count")]
        body: Mapping[str, Any] = self._of_list("GET", "", params=params, shape=shapes.AUDIENCE)
        return body

    def account(self) -> Mapping[str, Any]:
        """GET /: the account's plan, and its subscribers in all audiences."""
        params = [("fields", "pricing_plan_type,total_subscribers")]
        body: Mapping[str, Any] = self.http.request("GET", "", params=params, shape=shapes.ACCOUNT)
        return body

    def may_write(self) -> bool:
        """Whether the key's user may write members: asked by an update of nothing in a member that cannot exist.
        Assumed: Mailchimp looks at the user's role (403) before it does not find the member (404)."""
        try:
            with suppress(PermanentError):
                self.http.request("PATCH", f"{self._list}/members/{_NO_MEMBER}", json={})
        except (ConfigurationError, CredentialsError):
            raise
        except NeedsAttentionError:
            return False
        return True

    def merge_fields(self) -> list[Mapping[str, Any]] | None:
        """The audience's merge fields, all of them; None where they cannot be read."""
        params = [("count", str(wire.PAGE_SIZE))]
        try:
            body = self.http.request("GET", f"{self._list}/merge-fields", params=params, shape=shapes.MERGE_FIELDS)
        except PermanentError as error:
            if error.code != wire.GONE:
                raise
            self.audience()  # the audience itself may be what is missing
            return None
        return list(body["merge_fields"])

    def create_merge_field(self, tag: str) -> None:
        body = {"tag": tag, "name": tag.capitalize(), "type": "text", "required": False}
        path = f"{self._list}/merge-fields"
        self.http.request("POST", path, json=body, is_repeatable=False, shape=shapes.MERGE_FIELD)

    def pages(self, since: datetime | None = None, status: str | None = None) -> Iterator[list[Member]]:
        """Members in order of their last change, each at least once, however the list moves meanwhile."""

        def fetch(window: Window, offset: int) -> tuple[list[Member], int]:
            return self._page(window, offset, status)

        return read_pages(fetch, since)

    def position(self, since: datetime) -> Position:
        """The begin of the members changed since then, to be read on from while more of them change."""
        return Position(self._page, since)

    def _page(self, window: Window, offset: int, status: str | None = None) -> tuple[list[Member], int]:
        params = [
            ("count", str(wire.PAGE_SIZE)),
            ("offset", str(offset)),
            ("fields", _PAGE_FIELDS),
            ("sort_field", "last_changed"),
            ("sort_dir", "ASC"),
        ]
        params += [("since_last_changed", write_time(window.since))] if window.since else []
        params += [("before_last_changed", write_time(window.before))] if window.before else []
        params += [("status", status)] if status else []
        body = self._of_list("GET", "/members", params=params, shape=shapes.MEMBERS)
        return body["members"], body["total_items"]

    def archived(self, since: datetime) -> Iterator[list[Member]]:
        """Members archived or changed while archived; they are in no other list."""
        return self.pages(since, ARCHIVED)

    def member(self, key: str) -> Member | None:
        """One member by hash or contact id, archived ones too; None where there is none."""
        params = [("fields", _MEMBER_FIELDS)]
        path = f"{self._list}/members/{quote(key, safe='')}"
        try:
            body: Member = self.http.request("GET", path, params=params, shape=shapes.MEMBER)
        except PermanentError as error:
            if error.code == wire.GONE:
                return None
            raise
        return body

    def all_tags(self, address: str) -> list[Mapping[str, Any]]:
        """Every tag of a member: lists show at most 50."""
        path = f"{self._list}/members/{wire.member_hash(address)}/tags"
        found: list[Mapping[str, Any]] = []
        while True:
            params = [("count", str(wire.PAGE_SIZE)), ("offset", str(len(found)))]
            body = self.http.request("GET", path, params=params, shape=shapes.TAGS)
            if found and body["tags"][:1] == found[:1]:
                raise WrongAnswerError("Mailchimp tells the same page of a member's tags again and again")
            found += body["tags"]
            if not body["tags"] or len(found) >= body["total_items"]:
                return found

    def batch(
        self, members: Sequence[Mapping[str, Any]], *, is_update: bool, skips_validation: bool = False
    ) -> Mapping[str, Any]:
        """POST up to 500 members. Existing ones are refused one by one unless `is_update`; a lost answer to
        creates raises `InDoubtError`."""
        body = {"members": list(members), "update_existing": is_update}
        answer: Mapping[str, Any] = self._of_list(
            "POST", "", json=body, params=_skipping(skips_validation), is_repeatable=is_update, shape=shapes.BATCH
        )
        return answer

    def patch(self, address: str, values: Mapping[str, Any], *, skips_validation: bool = False) -> Member:
        params = _skipping(skips_validation)
        body: Member = self.http.request(
            "PATCH", self._member(address), json=dict(values), params=params, shape=shapes.MEMBER
        )
        return body

    def put(self, address: str, values: Mapping[str, Any]) -> Member:
        told = {"email_address": address, **values}
        body: Member = self.http.request("PUT", self._member(address), json=told, shape=shapes.MEMBER)
        return body

    def set_tags(self, address: str, tags: Mapping[str, bool]) -> None:
        """Add (True) and remove (False) tags, without starting automations."""
        told = [{"name": name, "status": "active" if is_on else "inactive"} for name, is_on in tags.items()]
        body = {"tags": told, "is_syncing": True}
        self.http.request("POST", self._member(address) + "/tags", json=body, shape=NOTHING)

    def tag_id(self, name: str) -> int | None:
        """The id of a tag, which is that of a static segment; None where the audience has no such tag."""
        path = f"{self._list}/tag-search"
        body = self.http.request("GET", path, params=[("name", name)], shape=shapes.FOUND_TAGS)
        return next((tag["id"] for tag in body["tags"] if tag["name"].strip().lower() == name.lower()), None)

    def untag(self, tag_id: int, addresses: Sequence[str]) -> list[Member]:
        """Take a tag from up to 500 members; those from whom it was taken."""
        path = f"{self._list}/segments/{tag_id}"
        body = self.http.request("POST", path, json={"members_to_remove": list(addresses)}, shape=shapes.SEGMENT)
        return list(body["members_removed"])

    def archive(self, address: str) -> bool:
        """Archive a member: it can come back; deleting for good would bar its address for ever. Whether Mailchimp
        answered as it does when it has: with nothing at all (204)."""
        try:
            self.http.request("DELETE", self._member(address), shape=NOTHING)
        except WrongAnswerError:
            return False
        return True

    def close(self) -> None:
        self.http.close()

    def _member(self, address: str) -> str:
        return f"{self._list}/members/{wire.member_hash(address)}"

    def _of_list(self, method: str, rest: str, **content: Any) -> Any:
        try:
            return self.http.request(method, self._list + rest, **content)
        except PermanentError as error:
            if error.code == wire.GONE:
                raise ConfigurationError(
                    f"Mailchimp has no audience {self._list_id}: correct list_id in the connection's settings"
                ) from error
            raise


def _skipping(skips_validation: bool) -> list[tuple[str, str]]:
    return [("skip_merge_validation", "true")] if skips_validation else []

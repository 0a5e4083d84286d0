"""Where a mailbox was read up to, however many pages tell what came since."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import CursorExpiredError
from integrations_pipeline.providers.gmail.client import GmailClient
from integrations_pipeline.providers.gmail.mailbox import GmailMailbox
from integrations_pipeline.providers.gmail.settings import GmailSettings
from integrations_pipeline.testing import provider_context

AT = {"history_id": "10"}


def mailbox(*answers: Mapping[str, Any], asked: list[httpx.URL] | None = None) -> GmailMailbox:
    """A mailbox whose requests get these answers, one after another."""
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request.url)
        return httpx.Response(200, json=next(left))

    context = provider_context(
        transport=httpx.MockTransport(answer),
    )
    return GmailMailbox(GmailClient(context, api_url="https://g.test"), GmailSettings())


def page(history_id: str, *message_ids: str, following: str = "", **labels: Any) -> dict[str, Any]:
    added = [{"messagesAdded": [{"message": {"id": each, "threadId": "t", **labels}}]} for each in message_ids]
    return {"historyId": history_id, "history": added} | ({"nextPageToken": following} if following else {})


def test_the_position_is_that_of_the_first_page_so_that_what_comes_between_two_pages_is_told_again() -> None:
    """Gmail gives with each page where the mailbox is by then: the last one's lies past a message that came after the
    first page was made and that no page tells."""
    found = list(mailbox(page("20", "a", following="x"), page("30", "b", following="y"), page("40", "c")).changes(AT))
    assert [pair for each in found for pair in each.added] == [("a", "t"), ("b", "t"), ("c", "t")]
    assert [each.cursor for each in found] == [{"history_id": "20"}] * 3


def test_a_history_without_a_position_leaves_it_where_it_was() -> None:
    (found,) = mailbox({"nextPageToken": ""}).changes(AT)
    assert found.cursor == AT


def test_without_a_position_nothing_is_asked() -> None:
    asked: list[httpx.URL] = []
    with pytest.raises(CursorExpiredError):
        list(mailbox(asked=asked).changes({}))
    assert asked == []


def test_drafts_are_no_news_but_where_they_are_asked_for() -> None:
    told = page("20", "a", labelIds=["DRAFT"])
    assert [list(each.added) for each in mailbox(told).changes(AT)] == [[]]
    assert [list(each.added) for each in mailbox(told).changes(AT, label="DRAFT")] == [[("a", "t")]]

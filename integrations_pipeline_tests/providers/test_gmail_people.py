"""People met in a mailbox: what is new is read, and the past goes on from where it was left."""

from types import SimpleNamespace
from typing import Any

from integrations_pipeline.errors import RateLimitedError
from integrations_pipeline.providers.gmail.people import GmailPeople


class Limited:
    """A mailbox that tells its history, and answers everything else with a limit."""

    remark = ""

    def changes(self, cursor: dict[str, str]) -> list[Any]:
        return [SimpleNamespace(added=[], cursor={"history_id": "9"})]

    def __getattr__(self, name: str) -> Any:
        raise RateLimitedError("Gmail asks for a pause")


def test_a_limit_while_the_past_is_read_loses_neither_the_place_in_it_nor_what_is_new() -> None:
    mailbox: Any = Limited()
    met = GmailPeople(client=mailbox, mailbox=mailbox, harvest="all", most_messages=100).met(
        {"history_id": "5", "older_than": "1700000000"}
    )
    assert met.cursor == {"history_id": "9", "older_than": 1_700_000_000}
    assert mailbox.remark

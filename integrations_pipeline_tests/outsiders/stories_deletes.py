"""A10: answers to a delete that are no proof of it."""

import json
from typing import Any

from integrations_pipeline_tests.outsiders.play import Play, story

_PAGE = b"<html><body><h1>404 Not Found</h1></body></html>"
_PROBLEM = {
    "type": "about:blank",
    "title": "Resource Not Found",
    "status": 404,
    "detail": "No such route.",
    "instance": "1",
}

#: Variant: provider, status and body of the answer to every DELETE.
_LIES: dict[str, tuple[str, int, Any]] = {
    "airtable: 200 {}": ("airtable", 200, {}),
    "airtable: 200 []": ("airtable", 200, []),
    "airtable: 200 null": ("airtable", 200, b"null"),
    "airtable: 200 without records": ("airtable", 200, {"records": []}),
    "airtable: 200 deleted: false": ("airtable", 200, {"records": [{"id": "rec00000000000000", "deleted": False}]}),
    "airtable: 200 of another record": ("airtable", 200, {"records": [{"id": "recOther0000000", "deleted": True}]}),
    "airtable: 204": ("airtable", 204, None),
    "airtable: 404 of the route": ("airtable", 404, {"error": "NOT_FOUND"}),
    "airtable: 404 of the route, as an object": ("airtable", 404, {"error": {"type": "NOT_FOUND"}}),
    "airtable: 404 of the table": (
        "airtable",
        404,
        {"error": {"type": "TABLE_NOT_FOUND", "message": "Could not find table"}},
    ),
    "airtable: 404 of a proxy": ("airtable", 404, _PAGE),
    "mailchimp: 200 {}": ("mailchimp", 200, {}),
    "mailchimp: 200 []": ("mailchimp", 200, []),
    "mailchimp: 404 of the route": ("mailchimp", 404, _PROBLEM),
    "mailchimp: 404 of a proxy": ("mailchimp", 404, _PAGE),
}


@story("A10", ["airtable", "mailchimp", "airtable: gone already", "mailchimp: gone already"])
def a10(play: Play, variant: str) -> None:
    """Contacts are deleted here, one for each answer, and the provider answers without deleting."""
    provider = variant.split(":", maxsplit=1)[0]
    lies = [(name, lie) for name, lie in _LIES.items() if lie[0] == provider]
    # The budget for deletes is a fifth of the linked contacts.
    people = [f"p{n}@people.test" for n in range(6 * len(lies))]
    play.bring(*({"email": email, "name": "Per Son"} for email in people))
    play.connect(provider, delete_policy="propagate")
    play.quiet_sync(provider)
    play.age()
    deleted = people[:1] if "gone" in variant else people[: len(lies)]
    if "gone" in variant:
        play.delete(people[0])
        _remove(play, provider, people[0])
        play.sync(provider)
    else:
        for email, (name, (_, status, body)) in zip(deleted, lies, strict=True):
            _lied_to(play, provider, email, (name, status, body))
    play.settle(provider)
    there, contacts = _there(play, provider), play.contacts()
    play.must_be("deleted records that are still there", [email for email in deleted if email in there], [])
    play.must_be("deleted contacts that came back", [email for email in deleted if email in contacts], [])
    play.must_be("other contacts", len(set(contacts) - set(deleted)), len(people) - len(deleted))


def _lied_to(play: Play, provider: str, email: str, lie: tuple[str, int, Any]) -> None:
    name, status, body = lie
    stage = play.stage.airtable if provider == "airtable" else play.stage.mailchimp
    play.delete(email)
    stage.lie("DELETE", r"/", status, body)
    play.must_be(f"deletes counted after {name}", _deleted(play.sync(provider).out), 0)
    stage.be_honest()


def _deleted(out: str) -> int:

    results = json.loads(out).get("results") or []
    return sum(int(each["records_deleted"]) for each in results if each["direction"] == "to_external")


def _there(play: Play, provider: str) -> set[str]:
    if provider == "airtable":
        return set(play.stage.airtable.rows())
    return {email for email, member in play.stage.mailchimp.members().items() if member["status"] != "archived"}


def _remove(play: Play, provider: str, email: str) -> None:
    """Somebody else was faster."""
    if provider == "airtable":
        play.stage.airtable.remove_row(email)
    else:
        play.stage.mailchimp.archive(email)


STORIES = (a10,)

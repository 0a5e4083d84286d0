"""A10: answers to a delete that are no proof of it."""

import json
from typing import Any

from integrations_pipeline_tests.outsiders.play import Play, story

ANN = "ann@people.test"
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


@story("A10", [*_LIES, "airtable: gone already", "mailchimp: gone already"])
def a10(play: Play, variant: str) -> None:
    """A contact is deleted here, and the provider answers without deleting."""
    provider = variant.split(":", maxsplit=1)[0]
    play.bring(
        {"email": ANN, "name": "Ann Smith"}, *({"email": f"p{n}@people.test", "name": f"P {n}"} for n in range(9))
    )
    play.connect(provider, delete_policy="propagate")
    play.quiet_sync(provider)
    play.age()
    play.quiet_sync(provider)
    play.delete(ANN)
    if variant in _LIES:
        _, status, body = _LIES[variant]
        stage = play.stage.airtable if provider == "airtable" else play.stage.mailchimp
        stage.lie("DELETE", r"/", status, body)
        play.must_be("deletes counted there", _deleted(play.sync(provider).out), 0)
        stage.be_honest()
        play.settle(provider)
    else:
        _remove(play, provider)
        play.sync(provider)
        play.settle(provider)
    play.must("the record there is gone at last", not _is_there(play, provider))
    play.must("the contact does not come back", ANN not in play.contacts())


def _deleted(out: str) -> int:

    results = json.loads(out).get("results") or []
    return sum(int(each["records_deleted"]) for each in results if each["direction"] == "to_external")


def _is_there(play: Play, provider: str) -> bool:
    if provider == "airtable":
        return ANN in play.stage.airtable.rows()
    return bool(play.stage.mailchimp.members().get(ANN, {}).get("status", "archived") != "archived")


def _remove(play: Play, provider: str) -> None:
    """Somebody else was faster."""
    if provider == "airtable":
        play.stage.airtable.remove_row(ANN)
    else:
        play.stage.mailchimp.archive(ANN)


STORIES = (a10,)

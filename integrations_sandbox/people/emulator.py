# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""The People API's place in the sandbox: its API under `/people` and `/v1`, its control operations.

Belongs here: the translation between control requests and the methods of the state. Does not belong here: the
operations themselves (`state`), the public API (`api`).
"""

from collections.abc import Sequence
from dataclasses import asdict

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.people.api import PeopleApi
from integrations_sandbox.people.state import CONTACTS, People
from integrations_sandbox.wire import ControlRow, Reply, Request

_ACCOUNT = "sandbox/people/accounts/{}"
_PERSON = _ACCOUNT + "/people/{}"


class PeopleEmulator:
    """Implements `stage.Emulator`."""

    name = "people"
    roots = ("v1",)
    guide = (
        "<h2>Google Contacts (People API)</h2><p>Use <code>http://THIS-HOST/people</code> in place of "
        "<code>https://people.googleapis.com</code>. Make a token for an account with the operations below, or get it "
        "from the authorization server.</p>"
    )

    def __init__(self, people: People) -> None:
        self._people = people
        self._api = PeopleApi(people)

    def reset(self) -> None:
        self._people.reset()

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        return self._api.handle(request, segments, fault)

    def control(self) -> Sequence[ControlRow]:
        return [
            ("GET", "sandbox/people/options", self.options, "sync_lag_seconds, token_seconds, …"),
            ("PATCH", "sandbox/people/options", self.set_options, "change some of them"),
            ("POST", "sandbox/people/tokens", self.create_token, '{"account", "scopes": […], "expires_in"}'),
            ("DELETE", "sandbox/people/tokens/{}", self.revoke_token, "revoke a token"),
            ("POST", "sandbox/people/faults", self.add_error, '{"name": "staleEtag", "path_regex", "times"}'),
            ("GET", _ACCOUNT + "/people", self.people, "all contacts"),
            ("POST", _ACCOUNT + "/people", self.create_person, '{"person": {…}, "groups": ["press"]}'),
            ("PATCH", _PERSON, self.edit_person, '{"person": {…}, "groups"}: replaces the fields that it has'),
            ("DELETE", _PERSON, self.delete_person, "delete a contact"),
            ("POST", _PERSON + "/merge", self.merge, '{"into": RESOURCE}'),
            ("POST", _PERSON + "/join-profile", self.join_profile, "it gets another resource name"),
            ("POST", _ACCOUNT + "/rename-group", self.rename_group, '{"name", "new_name"}'),
            ("POST", _ACCOUNT + "/delete-group", self.delete_group, '{"name"}'),
            ("POST", _ACCOUNT + "/expire-sync-tokens", self.expire, "refuse the sync tokens given out so far"),
        ]

    def options(self, request: Request) -> Reply:
        return Reply(body=asdict(self._people.options))

    def set_options(self, request: Request) -> Reply:
        self._people.set_options(**request.json())
        return self.options(request)

    def create_token(self, request: Request) -> Reply:
        told = request.json()
        token = self._people.token(told["account"], told.get("scopes", [CONTACTS]), told.get("expires_in"))
        return Reply(body={"token": token})

    def revoke_token(self, request: Request, token: str) -> Reply:
        self._people.revoke_token(token)
        return Reply(body={})

    def add_error(self, request: Request) -> Reply:
        told = request.json()
        self._people.add_error(told.pop("name"), **told)
        return Reply(body={})

    def people(self, request: Request, account: str) -> Reply:
        return Reply(body={"people": self._people.people(account)})

    def create_person(self, request: Request, account: str) -> Reply:
        told = request.json()
        resource = self._people.create_person(account, told["person"], told.get("groups", []))
        return Reply(body=self._people.person(account, resource))

    def edit_person(self, request: Request, account: str, key: str) -> Reply:
        told = request.json()
        self._people.edit_person(account, f"people/{key}", told.get("person", {}), told.get("groups"))
        return Reply(body=self._people.person(account, f"people/{key}"))

    def delete_person(self, request: Request, account: str, key: str) -> Reply:
        self._people.delete_person(account, f"people/{key}")
        return Reply(body={})

    def merge(self, request: Request, account: str, key: str) -> Reply:
        kept = str(request.json()["into"])
        self._people.merge_people(account, f"people/{key}", kept)
        return Reply(body=self._people.person(account, kept))

    def join_profile(self, request: Request, account: str, key: str) -> Reply:
        return Reply(body=self._people.person(account, self._people.join_profile(account, f"people/{key}")))

    def rename_group(self, request: Request, account: str) -> Reply:
        told = request.json()
        self._people.rename_group(account, told["name"], told["new_name"])
        return Reply(body={})

    def delete_group(self, request: Request, account: str) -> Reply:
        self._people.delete_group(account, request.json()["name"])
        return Reply(body={})

    def expire(self, request: Request, account: str) -> Reply:
        self._people.expire_sync_tokens(account)
        return Reply(body={})

# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""Mailchimp's place in the sandbox: its API under `/mailchimp`, its control operations.

Belongs here: the translation between control requests and the methods of the state. Does not belong here:
the operations themselves (`state`), the public API (`api`).
"""

from collections.abc import Sequence
from dataclasses import asdict

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.mailchimp.api import MailchimpApi
from integrations_sandbox.mailchimp.distortion import distorted
from integrations_sandbox.mailchimp.documents import Documents
from integrations_sandbox.mailchimp.model import Audience
from integrations_sandbox.mailchimp.schema import DEFAULT_FIELDS
from integrations_sandbox.mailchimp.state import DEFAULT_ACCOUNT, DEFAULT_KEY, Mailchimp
from integrations_sandbox.wire import ControlRow, JsonObject, Reply, Request

_LISTS = "sandbox/mailchimp/lists"
_LIST = _LISTS + "/{}"
_MEMBER = _LIST + "/members/{}"


class MailchimpEmulator:
    """Implements `stage.Emulator`."""

    name = "mailchimp"
    roots = ("3.0",)
    guide = (
        "<h2>Mailchimp</h2><p>Use <code>http://THIS-HOST/mailchimp</code> in place of "
        f"<code>https://us1.api.mailchimp.com</code>, with the API key <code>{DEFAULT_KEY}</code>.</p>"
    )

    def __init__(self, mailchimp: Mailchimp) -> None:
        self._mailchimp = mailchimp
        self._api = MailchimpApi(mailchimp)

    def reset(self) -> None:
        self._mailchimp.reset()

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        return distorted(request, fault, lambda given: self._api.handle(given, segments, fault))

    def control(self) -> Sequence[ControlRow]:
        return [
            ("GET", "sandbox/mailchimp/options", self.options, "connection_limit, shuffle_ties, …"),
            ("PATCH", "sandbox/mailchimp/options", self.set_options, "change some of them"),
            ("PATCH", "sandbox/mailchimp/accounts/{}", self.change_account, '{"is_disabled": true, "plan": "monthly"}'),
            ("POST", "sandbox/mailchimp/keys", self.create_key, '{"account", "key", "is_read_only": false}'),
            ("DELETE", "sandbox/mailchimp/keys/{}", self.revoke_key, "revoke an API key"),
            ("GET", _LISTS, self.lists, "all audiences with their fields"),
            ("POST", _LISTS, self.create_list, '{"name", "extra_fields": ["COMPANY"]}'),
            ("DELETE", _LIST, self.delete_list, "delete an audience"),
            ("POST", _LIST + "/merge-fields", self.create_field, '{"tag", "name", "type", "options"}'),
            (
                "POST",
                _LIST + "/merge-fields/swap",
                self.swap_fields,
                '{"tags": […, …]}: each gets the tag of the other',
            ),
            (
                "PATCH",
                _LIST + "/merge-fields/{}",
                self.change_field,
                '{"tag", "name", "type", "is_required", "options"}',
            ),
            ("POST", _LIST + "/merge-fields/{}/replace", self.replace_field, '{"type"}: delete it, make one anew'),
            ("DELETE", _LIST + "/merge-fields/{}", self.delete_field, "delete a field and its values"),
            ("GET", _LIST + "/members", self.members, "all members, the archived ones too"),
            ("POST", _LIST + "/members", self.subscribe, '{"email_address", "merge_fields", "tags", "by": "admin"}'),
            ("PATCH", _MEMBER, self.edit, '{"merge_fields": {…}, "email_address"}'),
            ("DELETE", _MEMBER, self.delete_permanently, "delete a member for good"),
            ("POST", _MEMBER + "/tags", self.tag, '{"add": […], "remove": […]}'),
            ("POST", _MEMBER + "/unsubscribe", self.unsubscribe, '{"by": "person"}, or "admin"'),
            ("POST", _MEMBER + "/resubscribe", self.resubscribe, '{"by": "person"}, or "admin"'),
            ("POST", _MEMBER + "/confirm", self.confirm, "the person says yes to the mail"),
            ("POST", _MEMBER + "/clean", self.clean, "mail to the address bounced"),
            ("POST", _MEMBER + "/archive", self.archive, "put the member aside"),
            ("POST", _MEMBER + "/unarchive", self.unarchive, "take the member back"),
        ]

    def options(self, request: Request) -> Reply:
        return Reply(body=asdict(self._mailchimp.options))

    def set_options(self, request: Request) -> Reply:
        self._mailchimp.set_options(**request.json())
        return self.options(request)

    def change_account(self, request: Request, name: str) -> Reply:
        document = request.json()
        if not {"is_disabled", "plan"} & document.keys():
            raise ValueError("is_disabled or plan, which say what changes")
        if "is_disabled" in document:
            self._mailchimp.disable_account(name, is_disabled=bool(document["is_disabled"]))
        if "plan" in document:
            self._mailchimp.set_plan(name, plan=str(document["plan"]))
        return Reply(body={})

    def create_key(self, request: Request) -> Reply:
        document = request.json()
        account = document.get("account", DEFAULT_ACCOUNT)
        is_read_only = bool(document.get("is_read_only"))
        key = self._mailchimp.create_api_key(account, value=document.get("key"), is_read_only=is_read_only)
        return Reply(body={"account": account, "key": key})

    def revoke_key(self, request: Request, key: str) -> Reply:
        self._mailchimp.revoke_api_key(key)
        return Reply(body={})

    def lists(self, request: Request) -> Reply:
        return Reply(body={"lists": [_list_json(each) for each in self._mailchimp.lists]})

    def create_list(self, request: Request) -> Reply:
        document = request.json()
        audience = self._mailchimp.create_list(
            document.get("name", "Audience"),
            document.get("merge_fields", DEFAULT_FIELDS),
            extra_fields=document.get("extra_fields", ()),
            account=document.get("account", DEFAULT_ACCOUNT),
            list_id=document.get("id"),
        )
        return Reply(body=_list_json(audience))

    def delete_list(self, request: Request, list_id: str) -> Reply:
        self._mailchimp.delete_list(list_id)
        return Reply(body={})

    def create_field(self, request: Request, list_id: str) -> Reply:
        field = self._mailchimp.create_merge_field(list_id, request.json())
        return Reply(body=Documents("").merge_field(self._mailchimp.find_list(list_id), field))

    def change_field(self, request: Request, list_id: str, tag: str) -> Reply:
        self._mailchimp.change_merge_field(list_id, tag, **request.json())
        return Reply(body={})

    def swap_fields(self, request: Request, list_id: str) -> Reply:
        self._mailchimp.swap_merge_tags(list_id, *request.json()["tags"])
        return Reply(body=_list_json(self._mailchimp.find_list(list_id)))

    def replace_field(self, request: Request, list_id: str, tag: str) -> Reply:
        field = self._mailchimp.replace_merge_field(list_id, tag, request.json())
        return Reply(body=Documents("").merge_field(self._mailchimp.find_list(list_id), field))

    def delete_field(self, request: Request, list_id: str, tag: str) -> Reply:
        self._mailchimp.delete_merge_field(list_id, tag)
        return Reply(body={})

    def members(self, request: Request, list_id: str) -> Reply:
        return Reply(body={"members": self._mailchimp.members(list_id)})

    def subscribe(self, request: Request, list_id: str) -> Reply:
        document = request.json()
        member = self._mailchimp.subscribe(
            list_id,
            document["email_address"],
            document.get("merge_fields"),
            tags=document.get("tags", ()),
            status=document.get("status", "subscribed"),
            by=document.get("by", "person"),
        )
        return Reply(body=member)

    def edit(self, request: Request, list_id: str, who: str) -> Reply:
        document = request.json()
        member = self._mailchimp.edit(list_id, who, **document.get("merge_fields", {}))
        if "email_address" in document:
            member = self._mailchimp.change_email(list_id, who, document["email_address"])
        return Reply(body=member)

    def delete_permanently(self, request: Request, list_id: str, who: str) -> Reply:
        self._mailchimp.delete_permanently(list_id, who)
        return Reply(body={})

    def tag(self, request: Request, list_id: str, who: str) -> Reply:
        document = request.json()
        self._mailchimp.tag(list_id, who, *document.get("add", ()))
        return Reply(body=self._mailchimp.untag(list_id, who, *document.get("remove", ())))

    def unsubscribe(self, request: Request, list_id: str, who: str) -> Reply:
        return Reply(body=self._mailchimp.unsubscribe(list_id, who, by=request.json().get("by", "person")))

    def resubscribe(self, request: Request, list_id: str, who: str) -> Reply:
        return Reply(body=self._mailchimp.resubscribe(list_id, who, by=request.json().get("by", "person")))

    def confirm(self, request: Request, list_id: str, who: str) -> Reply:
        return Reply(body=self._mailchimp.confirm(list_id, who))

    def clean(self, request: Request, list_id: str, who: str) -> Reply:
        return Reply(body=self._mailchimp.clean(list_id, who))

    def archive(self, request: Request, list_id: str, who: str) -> Reply:
        return Reply(body=self._mailchimp.archive(list_id, who))

    def unarchive(self, request: Request, list_id: str, who: str) -> Reply:
        return Reply(body=self._mailchimp.unarchive(list_id, who))


def _list_json(audience: Audience) -> JsonObject:
    fields = [Documents("").merge_field(audience, each) for each in audience.merge_fields]
    return {"id": audience.id, "name": audience.name, "account": audience.account, "merge_fields": fields}

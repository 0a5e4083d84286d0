"""Mailchimp's Marketing API 3.0 for one audience: members, tags, merge fields, segments, the batch.

After the official OpenAPI description. Belongs here: state, the wire, consent and archiving. Does not: campaigns,
automations, webhooks, the asynchronous `/batches`.
"""

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from integrations_pipeline_tests.outsiders.imitation.http import Answer, Refused, Request, Service
from integrations_pipeline_tests.outsiders.imitation.mailchimp_values import NotForField, checked

MAX_BATCH = 500
MAX_PAGE = 1000
_NUMBERS = itertools.count(1)
_SELECTABLE = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
_PROBLEM = ("Content-Type", "application/problem+json; charset=utf-8")


def problem(status: int, title: str, detail: str, errors: list[dict[str, str]] | None = None) -> Refused:
    """An error as Mailchimp words it."""
    body = {
        "type": "https://mailchimp.com/developer/marketing/docs/errors/",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": f"00000000-0000-0000-0000-{next(_NUMBERS):012d}",
        **({"errors": errors} if errors else {}),
    }
    return Refused(status, json.dumps(body).encode(), _PROBLEM)


def _missing() -> Refused:
    return problem(404, "Resource Not Found", "The requested resource could not be found.")


@dataclass(kw_only=True)
class MergeField:
    """A merge field; values belong to its `merge_id`, whatever its tag is at the moment."""

    tag: str
    name: str = ""
    type: str = "text"
    required: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    merge_id: int = field(default_factory=lambda: next(_NUMBERS))


@dataclass(kw_only=True)
class Member:
    """A member; its values by `merge_id`."""

    email: str
    status: str = "subscribed"
    merge: dict[int, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    contact_id: str = field(default_factory=lambda: f"{next(_NUMBERS):032x}")
    web_id: int = field(default_factory=lambda: next(_NUMBERS))
    last_changed: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: Left by own hand, or bounced: no API call may subscribe it again.
    is_in_compliance: bool = False
    #: Keys of the answer that are left out for this member.
    hides: frozenset[str] = frozenset()

    @property
    def hash(self) -> str:
        return _hash(self.email)


def _hash(email: str) -> str:
    """Mailchimp's own name for a member."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def standard_fields(*more: MergeField) -> list[MergeField]:
    tags = ("FNAME", "LNAME", "PHONE", "COMPANY")
    return [*(MergeField(tag=tag, name=tag.title()) for tag in tags), *more]


@dataclass(kw_only=True)
class Mailchimp(Service):
    """One audience. `archived_in_batch`: how a batch without a status answers an archived address (undocumented)."""

    list_id: str = field(default_factory=lambda: f"list{next(_NUMBERS):06d}")
    key: str = "imitation0123456789-us1"
    fields: list[MergeField] = field(default_factory=standard_fields)
    members: list[Member] = field(default_factory=list)
    segments: dict[int, str] = field(default_factory=dict)
    archived_in_batch: Literal["updated", "new", "exists"] = "updated"

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("GET", r"/3\.0/?", "root"),
        ("GET", r"/3\.0/ping/?", "ping"),
        ("GET", r"/3\.0/lists/?", "all_lists"),
        ("GET", r"/3\.0/lists/([^/]+)/?", "one_list"),
        ("POST", r"/3\.0/lists/([^/]+)/?", "batch"),
        ("GET", r"/3\.0/lists/([^/]+)/members/?", "list_members"),
        ("POST", r"/3\.0/lists/([^/]+)/members/?", "add_member"),
        ("GET", r"/3\.0/lists/([^/]+)/members/([^/]+)/?", "get_member"),
        ("PUT", r"/3\.0/lists/([^/]+)/members/([^/]+)/?", "put_member"),
        ("PATCH", r"/3\.0/lists/([^/]+)/members/([^/]+)/?", "patch_member"),
        ("DELETE", r"/3\.0/lists/([^/]+)/members/([^/]+)/?", "archive"),
        ("GET", r"/3\.0/lists/([^/]+)/members/([^/]+)/tags/?", "get_tags"),
        ("POST", r"/3\.0/lists/([^/]+)/members/([^/]+)/tags/?", "set_tags"),
        ("GET", r"/3\.0/lists/([^/]+)/merge-fields/?", "list_fields"),
        ("POST", r"/3\.0/lists/([^/]+)/merge-fields/?", "add_field"),
        ("GET", r"/3\.0/lists/([^/]+)/segments/?", "list_segments"),
        ("POST", r"/3\.0/lists/([^/]+)/segments/?", "add_segment"),
        ("POST", r"/3\.0/lists/([^/]+)/segments/(\d+)/?", "change_segment"),
        ("GET", r"/3\.0/lists/([^/]+)/tag-search/?", "search_tags"),
    )

    # What a person does on Mailchimp's pages.

    def merge_field(self, tag: str) -> MergeField:
        return next(each for each in self.fields if each.tag == tag)

    def add(self, email: str, status: str = "subscribed", **values: Any) -> Member:
        member = Member(email=email, status=status)
        self.members.append(member)
        self.edit(member, **values)
        return member

    def edit(self, member: Member, **values: Any) -> None:
        member.merge.update({self.merge_field(tag).merge_id: value for tag, value in values.items()})
        member.last_changed = datetime.now(UTC)

    def by(self, email: str) -> Member:
        return next(member for member in self.members if member.email.lower() == email.lower())

    def value(self, email: str, tag: str) -> Any:
        return self.by(email).merge.get(self.merge_field(tag).merge_id, "")

    def age(self, by: timedelta) -> None:
        with self.lock:
            for member in self.members:
                member.last_changed -= by

    # The wire.

    def admit(self, request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            given = base64.b64decode(given).decode().partition(":")[2]
        if given != self.key:
            raise problem(
                401, "API Key Invalid", "Your API key may be invalid, or you've attempted the wrong datacenter."
            )

    def not_found(self, request: Request) -> Answer:
        self.unknown.append(f"{request.method} {request.path}")
        return _missing().answer

    def root(self, request: Request) -> Any:
        told = {"account_id": "1", "account_name": "Imitation", "email": "owner@imitation.test", "role": "owner"}
        return _projected(told, request)

    def ping(self, _request: Request) -> Any:
        return {"health_status": "Everything's Chimpy!"}

    def all_lists(self, request: Request) -> Any:
        return _projected({"lists": [self._list_json()], "total_items": 1}, request)

    def one_list(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        return _projected(self._list_json(), request)

    def _list_json(self) -> dict[str, Any]:
        count = sum(member.status == "subscribed" for member in self.members)
        return {"id": self.list_id, "name": "Press", "double_optin": False, "stats": {"member_count": count}}

    def list_members(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        chosen = list(self._chosen(request))
        if request.arg("sort_field") == "last_changed":
            chosen.sort(key=lambda member: member.last_changed, reverse=request.arg("sort_dir") == "DESC")
        at, count = int(request.arg("offset", "0")), int(request.arg("count", "10"))
        if not 0 <= count <= MAX_PAGE:
            raise problem(400, "Invalid Resource", "count must be between 0 and 1000")
        members = [self._member_json(member) for member in chosen[at : at + count]]
        return _projected({"members": members, "list_id": list_id, "total_items": len(chosen)}, request)

    def _chosen(self, request: Request) -> Iterator[Member]:
        status = request.arg("status")
        since, before = _time(request.arg("since_last_changed")), _time(request.arg("before_last_changed"))
        for member in self.members:
            changed = member.last_changed.replace(microsecond=0)
            if (member.status != status) if status else (member.status == "archived"):
                continue
            if (since is None or changed >= since) and (before is None or changed < before):
                yield member

    def get_member(self, request: Request, list_id: str, key: str) -> Any:
        self._own(list_id)
        return _projected(self._member_json(self._member(key)), request)

    def add_member(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        told = request.json()
        email = str(told.get("email_address", ""))
        if self._find(_hash(email)):
            detail = f"{email} is already a list member. Use PUT to insert or update list members."
            raise problem(400, "Member Exists", detail)
        return self._member_json(self._made(told, str(told.get("status", "")), _skips(request)))

    def put_member(self, request: Request, list_id: str, key: str) -> Any:
        self._own(list_id)
        told = request.json()
        member = self._find(key)
        if member is None:
            return self._member_json(
                self._made(told, str(told.get("status") or told.get("status_if_new") or ""), _skips(request))
            )
        self._change(member, told, _skips(request))
        return self._member_json(member)

    def patch_member(self, request: Request, list_id: str, key: str) -> Any:
        self._own(list_id)
        member = self._member(key)
        self._change(member, request.json(), _skips(request))
        return self._member_json(member)

    def archive(self, _request: Request, list_id: str, key: str) -> Any:
        self._own(list_id)
        member = self._member(key)
        if member.status in ("archived", "pending", "cleaned"):
            detail = (
                "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
            )
            raise problem(405, "Method Not Allowed", detail)
        member.status = "archived"
        member.last_changed = datetime.now(UTC)
        return Answer(204)

    def batch(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        told = request.json()
        given = told.get("members") or []
        if len(given) > MAX_BATCH:
            raise problem(400, "Invalid Resource", "The members array is limited to 500 items")
        answer: dict[str, list[Any]] = {"new_members": [], "updated_members": [], "errors": []}
        seen: set[str] = set()
        for each in given:
            email = str(each.get("email_address", ""))
            try:
                if email.lower() in seen:
                    raise problem(400, "ERROR_GENERIC", "Duplicate items found for this email in the request")
                seen.add(email.lower())
                place, member = self._batched(each, told, _skips(request))
                answer[place].append(self._member_json(member))
            except Refused as refused:
                answer["errors"].append(_batch_error(email, refused))
        counts = {
            "total_created": len(answer["new_members"]),
            "total_updated": len(answer["updated_members"]),
            "error_count": len(answer["errors"]),
        }
        return _projected({**answer, **counts}, request)

    def _batched(self, each: dict[str, Any], told: dict[str, Any], skips: bool) -> tuple[str, Member]:
        each = {**each, "merge_fields": {k: v for k, v in (each.get("merge_fields") or {}).items() if v is not None}}
        email = str(each.get("email_address", ""))
        if not (each.get("status") or each.get("status_if_new")):
            raise problem(400, "ERROR_GENERIC", "status or status_if_new is required")
        member = self._find(_hash(email))
        if member is None:
            return "new_members", self._made(each, str(each.get("status") or each["status_if_new"]), skips)
        if member.status == "archived" and not each.get("status"):
            if self.archived_in_batch == "exists":
                raise problem(400, "ERROR_CONTACT_EXISTS", f"{email} is already a list member")
            return ("new_members" if self.archived_in_batch == "new" else "updated_members"), member
        if not told.get("update_existing"):
            raise problem(400, "ERROR_CONTACT_EXISTS", f"{email} is already a list member, do you want to update?")
        self._change(member, each, skips)
        if "tags" in each:
            member.tags = (
                list(each["tags"]) if told.get("sync_tags") else [*dict.fromkeys([*member.tags, *each["tags"]])]
            )
            self._remember(member.tags)
        return "updated_members", member

    def _made(self, told: Mapping[str, Any], status: str, skips: bool) -> Member:
        email = str(told.get("email_address", ""))
        _check_email(email)
        if status not in _SELECTABLE:
            raise problem(400, "Invalid Resource", "status is required for a new member")
        member = Member(email=email, status=status, tags=[str(tag) for tag in told.get("tags") or ()])
        member.merge = self._merged(member, told.get("merge_fields") or {}, skips, is_new=True)
        self._remember(member.tags)
        self.members.append(member)
        return member

    def _change(self, member: Member, told: Mapping[str, Any], skips: bool) -> None:
        """All of it or nothing."""
        email, status = str(told.get("email_address") or member.email), told.get("status") or member.status
        if email.lower() != member.email.lower():
            _check_email(email)
            if self._find(_hash(email)):
                raise problem(400, "Member Exists", f"{email} is already a list member.")
            if member.status != "subscribed":
                raise problem(
                    400, "Invalid Resource", "The e-mail of a member that is not subscribed cannot be changed."
                )
        if status == "subscribed" and member.status != status and member.is_in_compliance:
            why = "is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
            raise problem(400, "Member In Compliance State", f"{email} {why}")
        if status not in (*_SELECTABLE, member.status):
            raise problem(400, "Invalid Resource", "status is not one of the accepted")
        member.merge = self._merged(member, told.get("merge_fields") or {}, skips, is_new=False)
        member.email, member.status = email, status
        member.last_changed = datetime.now(UTC)

    def _merged(self, member: Member, given: Mapping[str, Any], skips: bool, *, is_new: bool) -> dict[int, Any]:
        merge, errors = dict(member.merge), []
        for each in self.fields:
            if each.tag in given:
                try:
                    merge[each.merge_id] = checked(each.type, each.options, given[each.tag])
                except NotForField as wrong:
                    errors.append({"field": each.tag, "message": str(wrong)})
            if each.required and not skips and merge.get(each.merge_id, "") in ("", None):
                errors.append({"field": each.tag, "message": "This value should not be blank."})
        if errors:
            raise problem(400, "Invalid Resource", "Your merge fields were invalid.", errors)
        return merge

    # Tags.

    def get_tags(self, _request: Request, list_id: str, key: str) -> Any:
        self._own(list_id)
        told = self._tags_json(self._member(key))
        return {"tags": told, "total_items": len(told)}

    def set_tags(self, request: Request, list_id: str, key: str) -> Any:
        self._own(list_id)
        member = self._member(key)
        for tag in request.json().get("tags", []):
            name = str(tag["name"])
            kept = [each for each in member.tags if each.lower() != name.lower()]
            member.tags = [*kept, name] if tag.get("status") == "active" else kept
            self._remember([name])
        member.last_changed = datetime.now(UTC)
        return Answer(204)

    def _remember(self, names: list[str]) -> None:
        known = {name.lower() for name in self.segments.values()}
        for name in names:
            if name.lower() not in known:
                self.segments[next(_NUMBERS)] = name

    def list_segments(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        at, count = int(request.arg("offset", "0")), int(request.arg("count", "10"))
        told = [self._segment_json(number) for number in self.segments]
        return _projected({"segments": told[at : at + count], "total_items": len(told)}, request)

    def _segment_json(self, number: int) -> dict[str, Any]:
        name = self.segments[number]
        members = [member for member in self.members if name in member.tags]
        return {"id": number, "name": name, "type": "static", "list_id": self.list_id, "member_count": len(members)}

    def add_segment(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        told = request.json()
        number = next(_NUMBERS)
        self.segments[number] = str(told["name"])
        self._tag(number, told.get("static_segment") or [], [])
        return self._segment_json(number)

    def change_segment(self, request: Request, list_id: str, number: str) -> Any:
        self._own(list_id)
        if int(number) not in self.segments:
            raise _missing()
        told = request.json()
        add, remove = told.get("members_to_add") or [], told.get("members_to_remove") or []
        if max(len(add), len(remove)) > MAX_BATCH:
            raise problem(400, "Invalid Resource", "A maximum of 500 members per request")
        added, removed = self._tag(int(number), add, remove)
        return {
            "members_added": [self._member_json(member) for member in added],
            "members_removed": [self._member_json(member) for member in removed],
            "errors": [],
            "total_added": len(added),
            "total_removed": len(removed),
            "error_count": 0,
        }

    def _tag(self, number: int, add: list[str], remove: list[str]) -> tuple[list[Member], list[Member]]:
        name = self.segments[number]
        added = [member for member in map(self._by_email, add) if member and name not in member.tags]
        removed = [member for member in map(self._by_email, remove) if member and name in member.tags]
        for member in added:
            member.tags.append(name)
        for member in removed:
            member.tags.remove(name)
        for member in (*added, *removed):
            member.last_changed = datetime.now(UTC)
        return added, removed

    def search_tags(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        wanted = request.arg("name").lower()
        tags = [
            {"id": number, "name": name} for number, name in self.segments.items() if name.lower().startswith(wanted)
        ]
        return {"tags": tags, "total_items": len(tags)}

    # Merge fields.

    def list_fields(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        at, count = int(request.arg("offset", "0")), int(request.arg("count", "10"))
        told = [_field_json(each, list_id) for each in self.fields]
        return _projected(
            {"merge_fields": told[at : at + count], "list_id": list_id, "total_items": len(told)}, request
        )

    def add_field(self, request: Request, list_id: str) -> Any:
        self._own(list_id)
        told = request.json()
        made = MergeField(tag=str(told["tag"]).upper(), name=str(told["name"]), type=str(told["type"]))
        if any(each.tag == made.tag for each in self.fields):
            raise problem(
                400, "Invalid Resource", f'A Merge Field with the tag "{made.tag}" already exists for this list.'
            )
        self.fields.append(made)
        return _field_json(made, list_id)

    # What all of them use.

    def _own(self, list_id: str) -> None:
        if list_id != self.list_id:
            raise _missing()

    def _by_email(self, email: str) -> Member | None:
        return self._find(_hash(email))

    def _find(self, key: str) -> Member | None:
        hashed = _hash(key) if "@" in key else key
        return next((member for member in self.members if hashed in (member.hash, member.contact_id)), None)

    def _member(self, key: str) -> Member:
        found = self._find(key)
        if found is None:
            raise _missing()
        return found

    def _tags_json(self, member: Member) -> list[dict[str, Any]]:
        numbers = {name.lower(): number for number, name in self.segments.items()}
        return [{"id": numbers.get(name.lower(), 0), "name": name} for name in member.tags]

    def _member_json(self, member: Member) -> dict[str, Any]:
        tags = self._tags_json(member)
        told: dict[str, Any] = {
            "id": member.hash,
            "email_address": member.email,
            "unique_email_id": member.contact_id[:10],
            "contact_id": member.contact_id,
            "web_id": member.web_id,
            "email_type": "html",
            "status": member.status,
            "merge_fields": {each.tag: member.merge.get(each.merge_id, "") for each in self.fields},
            "ip_signup": "",
            "timestamp_signup": "",
            "ip_opt": "",
            "timestamp_opt": _told_time(member.last_changed),
            "last_changed": _told_time(member.last_changed),
            "language": "",
            "vip": False,
            "list_id": self.list_id,
            "tags_count": len(tags),
            "tags": tags[:50],
        }
        return {key: value for key, value in told.items() if key not in member.hides}


def _told_time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _time(text: str) -> datetime | None:
    """Whole seconds with an offset; anything else is silently ignored, as at the true one."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:?\d\d)", text):
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _skips(request: Request) -> bool:
    return request.arg("skip_merge_validation").lower() in ("true", "1")


def _check_email(email: str) -> None:
    if not re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", email):
        raise problem(400, "Invalid Resource", "Please provide a valid email address.")
    if email.lower().endswith("@example.com"):
        raise problem(400, "Invalid Resource", f"{email} looks fake or invalid, please enter a real email address.")


def _batch_error(email: str, refused: Refused) -> dict[str, Any]:
    told = json.loads(refused.answer.body)
    first = (told.get("errors") or [{}])[0]
    return {
        "email_address": email,
        "error": told["detail"],
        "error_code": told["title"] if told["title"].startswith("ERROR_") else "ERROR_GENERIC",
        "field": first.get("field", ""),
        "field_message": first.get("message", ""),
    }


def _field_json(each: MergeField, list_id: str) -> dict[str, Any]:
    return {
        "merge_id": each.merge_id,
        "tag": each.tag,
        "name": each.name or each.tag,
        "type": each.type,
        "required": each.required,
        "default_value": "",
        "public": False,
        "display_order": each.merge_id,
        "options": each.options,
        "help_text": "",
        "list_id": list_id,
    }


def _projected(told: dict[str, Any], request: Request) -> dict[str, Any]:
    """`fields` and `exclude_fields`: comma lists of dotted paths."""
    wanted = [path.strip().split(".") for path in request.arg("fields").split(",") if path.strip()]
    left_out = [path.strip().split(".") for path in request.arg("exclude_fields").split(",") if path.strip()]
    kept: dict[str, Any] = _kept(told, wanted) if wanted else told
    return _without(kept, left_out) if left_out else kept


def _kept(told: Any, paths: list[list[str]]) -> Any:
    if isinstance(told, list):
        return [_kept(each, paths) for each in told]
    if not isinstance(told, dict):
        return told
    answer = {}
    for key, value in told.items():
        rests = [path[1:] for path in paths if path[0] == key]
        if rests:
            answer[key] = value if [] in rests else _kept(value, rests)
    return answer


def _without(told: Any, paths: list[list[str]]) -> Any:
    if isinstance(told, list):
        return [_without(each, paths) for each in told]
    if not isinstance(told, dict):
        return told
    answer = {}
    for key, value in told.items():
        rests = [path[1:] for path in paths if path[0] == key]
        if [] not in rests:
            answer[key] = _without(value, rests) if rests else value
    return answer

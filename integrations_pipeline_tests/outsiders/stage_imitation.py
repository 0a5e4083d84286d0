"""The imitation of this package as a stage."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations_pipeline_tests.outsiders.imitation.airtable import Column, Record
from integrations_pipeline_tests.outsiders.imitation.airtable_cells import NotForColumn, stored
from integrations_pipeline_tests.outsiders.imitation.gmail import Gmail, Mail
from integrations_pipeline_tests.outsiders.imitation.http import Answer, Request, Service
from integrations_pipeline_tests.outsiders.imitation.mailchimp import MergeField
from integrations_pipeline_tests.outsiders.imitation.world import World


class _Lying:
    """What is the same for all services here."""

    service: Service

    def lie(self, method: str, pattern: str, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        told = tuple((headers or {}).items())
        self.service.twist(method, pattern, lambda _request, _true: Answer(status, body, told))

    def be_honest(self) -> None:
        self.service.lies.clear()
        if isinstance(self.service, Gmail):
            self.service.hides_sent = False

    def calls(self, method: str, pattern: str) -> int:
        return self.service.count(method, pattern)


class ImitatedAirtable(_Lying):
    def __init__(self, world: World) -> None:
        self.service = self.airtable = world.airtable
        self.table = world.airtable.table

    def add_row(self, **cells: Any) -> None:
        self.table.add(**cells)

    def edit_row(self, email: str, **cells: Any) -> None:
        self.table.edit(self.table.by("Email", email), **cells)

    def remove_row(self, email: str) -> None:
        self.table.remove(self.table.by("Email", email))

    def rows(self) -> dict[str, dict[str, Any]]:
        def cells(record: Record) -> dict[str, Any]:
            told = {column.name: self.table.cell(record, column) for column in self.table.columns}
            return {name: value for name, value in told.items() if value not in (None, "")}

        return {
            str(told.get("Email", record.id)): told for record in self.table.records if (told := cells(record)) or True
        }

    def add_column(self, name: str, kind: str = "singleLineText") -> None:
        self.table.columns.append(Column(name=name, type=kind))

    def rename_column(self, name: str, new: str) -> None:
        self.table.column(name).name = new

    def drop_column(self, name: str) -> None:
        self.table.columns.remove(self.table.column(name))

    def swap_columns(self, one: str, other: str) -> None:
        first, second = self.table.column(one), self.table.column(other)
        first.name, second.name = other, one

    def compute_column(self, name: str, kind: str, value: Any) -> None:
        at = self.table.columns.index(self.table.column(name))
        self.table.columns[at] = Column(name=name, type=kind, compute=lambda _record: value)

    def retype_column(self, name: str, kind: str) -> None:
        column = self.table.column(name)
        column.type, column.options = kind, {}
        for record in self.table.records:
            with suppress(NotForColumn):
                cell = stored(kind, column.options, record.cells.pop(column.id, None), typecast=True)
                record.cells.update({} if cell is None else {column.id: cell})

    def normalise_column(self, name: str) -> None:
        self.table.column(name).reads_back = lambda value: " ".join(str(value).split())

    def hollow(self, is_hollow: bool) -> None:
        self.airtable.is_hollow = is_hollow


class ImitatedMailchimp(_Lying):
    def __init__(self, world: World) -> None:
        self.service = self.mailchimp = world.mailchimp

    def add_member(self, email: str, status: str = "subscribed", **values: Any) -> None:
        self.mailchimp.add(email, status, **values)

    def edit_member(self, email: str, **values: Any) -> None:
        self.mailchimp.edit(self.mailchimp.by(email), **values)

    def unsubscribe(self, email: str) -> None:
        member = self.mailchimp.by(email)
        member.status, member.is_in_compliance, member.last_changed = "unsubscribed", True, datetime.now(UTC)

    def archive(self, email: str) -> None:
        member = self.mailchimp.by(email)
        member.status, member.last_changed = "archived", datetime.now(UTC)

    def unarchive(self, email: str) -> None:
        member = self.mailchimp.by(email)
        member.status, member.last_changed = "subscribed", datetime.now(UTC)

    def bounce(self, email: str) -> None:
        member = self.mailchimp.by(email)
        member.status, member.is_in_compliance, member.last_changed = "cleaned", True, datetime.now(UTC)

    def members(self) -> dict[str, dict[str, Any]]:
        return {
            member.email: {
                "status": member.status,
                "tags": list(member.tags),
                **{each.tag: member.merge.get(each.merge_id, "") for each in self.mailchimp.fields},
            }
            for member in self.mailchimp.members
        }

    def add_field(self, tag: str, kind: str = "text") -> None:
        self.mailchimp.fields.append(MergeField(tag=tag, name=tag.title(), type=kind))

    def rename_field(self, tag: str, new: str) -> None:
        self.mailchimp.merge_field(tag).tag = new

    def drop_field(self, tag: str) -> None:
        self.mailchimp.fields.remove(self.mailchimp.merge_field(tag))

    def swap_fields(self, one: str, other: str) -> None:
        first, second = self.mailchimp.merge_field(one), self.mailchimp.merge_field(other)
        first.tag, second.tag = other, one

    def hide(self, what: str, *emails: str) -> None:
        def told(_request: Request, true: Callable[[], Answer]) -> Answer:
            answer = true()
            if isinstance(answer.body, dict):
                for member in answer.body.get("members") or [answer.body]:
                    if not emails or member.get("email_address") in emails:
                        _hide(member, what)
            return answer

        self.service.twist("GET", r"/members", told)

    def answer_archived(self, how: str) -> None:
        self.mailchimp.archived_in_batch = how  # type: ignore[assignment] # one of the three words


def _hide(member: dict[str, Any], what: str) -> None:
    if what == "merge_fields":
        member.pop("merge_fields", None)
    elif what == "values" and "merge_fields" in member:
        member["merge_fields"] = {}
    else:
        member.get("merge_fields", {}).pop(what, None)


class ImitatedGmail(_Lying):
    def __init__(self, world: World) -> None:
        self.service = self.gmail = world.gmail

    @property
    def address(self) -> str:
        return self.gmail.address

    def sent_to(self, address: str) -> list[dict[str, str]]:
        return [_mail(mail) for mail in self.gmail.sent_to(address)]

    def receive(self, raw: bytes, thread: str = "") -> None:
        self.gmail.receive(raw, thread=thread)

    def write_by_hand(self, raw: bytes, thread: str = "") -> dict[str, str]:
        return _mail(self.gmail.write_by_hand(raw, thread=thread))

    def lose_send(self) -> None:
        def lost(_request: Request, true: Callable[[], Answer]) -> Answer:
            true()
            self.gmail.hides_sent = True
            return Answer(
                500, {"error": {"code": 500, "message": "Internal error", "errors": [], "status": "INTERNAL"}}
            )

        self.service.twist("POST", r"/drafts/send$", lost, times=1)


def _mail(mail: Mail) -> dict[str, str]:
    told = {"id": mail.id, "thread": mail.thread, "message_id": mail.header("Message-ID")}
    return {**told, "subject": mail.header("Subject")}


@dataclass(kw_only=True)
class ImitationStage:
    """A world of this package's imitation."""

    world: World
    name: str = "imitation"

    def __post_init__(self) -> None:
        self.airtable = ImitatedAirtable(self.world)
        self.mailchimp = ImitatedMailchimp(self.world)
        self.gmail = ImitatedGmail(self.world)

    def environment(self) -> Mapping[str, str]:
        return {**self.world.environment(), "GOOGLE_CLIENT_ID": "imitation", "GOOGLE_CLIENT_SECRET": "imitation"}

    def connection(self, provider: str) -> tuple[dict[str, Any], dict[str, Any]]:
        airtable, mailchimp, gmail = self.world.airtable, self.world.mailchimp, self.world.gmail
        expires = (datetime.now(UTC) + timedelta(days=30)).isoformat()
        return {
            "airtable": (
                {"api_key": airtable.token},
                {"base_id": airtable.base_id, "table_id": airtable.table.id},
            ),
            "mailchimp": ({"api_key": mailchimp.key}, {"list_id": mailchimp.list_id}),
            "gmail": (
                {
                    "access_token": gmail.access_token,
                    "refresh_token": gmail.refresh_token,
                    "token_expires_at": expires,
                },
                {},
            ),
        }[provider]

    def age(self, by: timedelta) -> None:
        self.world.age(by)

    def unknown(self) -> list[str]:
        return [text for text in self.world.unknown() if not re.search(r"^GET /favicon", text)]

"""Mailchimp's Marketing API 3.0: routes, and one handler per endpoint.

Belongs here: reading requests, the documents that go back. Does not belong here: keys and connections
(`admission`), what the operations do (`reading`, `writing`, `bulk`, `schema`), sockets.
"""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.mailchimp import bulk, consent, errors, operations, query
from integrations_sandbox.mailchimp.admission import Admission
from integrations_sandbox.mailchimp.bodies import documents_for, existing, origin, read_json, read_object
from integrations_sandbox.mailchimp.bulk import BulkOutcome, BulkRules
from integrations_sandbox.mailchimp.errors import Problem
from integrations_sandbox.mailchimp.member_input import read_member
from integrations_sandbox.mailchimp.merge_field_calls import MergeFieldCalls
from integrations_sandbox.mailchimp.model import Account, Audience, Member
from integrations_sandbox.mailchimp.operations import Batch, Operation
from integrations_sandbox.mailchimp.reading import MemberQuery
from integrations_sandbox.mailchimp.segments import SegmentCalls
from integrations_sandbox.mailchimp.state import Mailchimp
from integrations_sandbox.mailchimp.writing import MemberWriter
from integrations_sandbox.wire import JsonObject, Reply, Request, Route, find_route

_MEMBERS = "3.0/lists/{}/members"
_MEMBER = _MEMBERS + "/{}"
#: Where the answers of batch operations lie; whoever has the link needs no key.
RESULTS = "batch-results"


class MailchimpApi:
    """Answers requests whose `segments` begin with `3.0`, and those for the answers of batch operations."""

    def __init__(self, mailchimp: Mailchimp) -> None:
        self.mailchimp = mailchimp
        self._admission = Admission(mailchimp)
        self.routes = (
            Route(method="GET", template="3.0", handler=self.root),
            Route(method="GET", template="3.0/ping", handler=self.ping),
            Route(method="GET", template="3.0/lists", handler=self.lists),
            Route(method="GET", template="3.0/lists/{}", handler=self.get_list),
            Route(method="POST", template="3.0/lists/{}", handler=self.write_members),
            Route(method="GET", template=_MEMBERS, handler=self.members),
            Route(method="POST", template=_MEMBERS, handler=self.add_member),
            Route(method="GET", template=_MEMBER, handler=self.get_member),
            Route(method="PUT", template=_MEMBER, handler=self.put_member),
            Route(method="PATCH", template=_MEMBER, handler=self.patch_member),
            Route(method="DELETE", template=_MEMBER, handler=self.archive_member),
            Route(method="POST", template=_MEMBER + "/actions/delete-permanent", handler=self.forget_member),
            Route(method="GET", template=_MEMBER + "/tags", handler=self.member_tags),
            Route(method="POST", template=_MEMBER + "/tags", handler=self.tag_member),
            *MergeFieldCalls(self._list).routes,
            *SegmentCalls(self._list, self._writer).routes,
            Route(method="GET", template="3.0/lists/{}/tag-search", handler=self.search_tags),
            Route(method="GET", template="3.0/batches", handler=self.batches),
            Route(method="POST", template="3.0/batches", handler=self.start_batch),
            Route(method="GET", template="3.0/batches/{}", handler=self.get_batch),
        )

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        """Answers one request; `fault` is the rule that hits it, if its action is one of Mailchimp's own."""
        try:
            if segments and segments[0] == RESULTS:
                reply = self._results(segments[1:])
            else:
                is_full = fault is not None and fault.action == "rate_limit"
                self._admission.admit(request, is_full=is_full)
                reply = _cut_page(self._answer(request, segments), fault)
        except Problem as problem:
            reply = self._refused(problem)
        return replace(reply, delay_seconds=self.mailchimp.options.latency_seconds)

    def _answer(self, request: Request, segments: Sequence[str]) -> Reply:
        """Raises Problem. The document is cut down to the fields that were asked for."""
        answer = find_route(self.routes, request, segments)
        if answer is None:
            others = [each.method for each in self.routes if _is_path_of(each, request, segments)]
            raise errors.method_not_allowed(others) if others else errors.not_found()
        reply = answer()
        return reply if reply.body is None else replace(reply, body=query.shape(request, reply.body))

    def _refused(self, problem: Problem) -> Reply:
        if not problem.body:
            return Reply(status=problem.status, headers=problem.headers)
        digest = hashlib.md5(self.mailchimp.stage.ids.new("").encode(), usedforsecurity=False).hexdigest()
        instance = str(uuid.UUID(digest))
        body = {key: value for key, value in problem.body.items() if key != "errors"} | {"instance": instance}
        if "errors" in problem.body:
            body["errors"] = problem.body["errors"]
        return Reply(status=problem.status, body=body, headers=(errors.CONTENT_TYPE, *problem.headers))

    def _account(self, request: Request) -> Account:
        return self._admission.account(request)

    def _list(self, request: Request, list_id: str) -> Audience:
        audience = self.mailchimp.find_list(list_id)
        if audience.account != self._account(request).name:
            raise errors.not_found()
        return audience

    def _member(self, request: Request, list_id: str, who: str) -> tuple[Audience, Member]:
        audience = self._list(request, list_id)
        return audience, existing(audience.find(who))

    # The account and its audiences

    def root(self, request: Request) -> Reply:
        account = self._account(request)
        return Reply(body=documents_for(request).account(account, self._lists(account)))

    def ping(self, request: Request) -> Reply:  # noqa: ARG002 - every handler takes the request
        return Reply(body={"health_status": "Everything's Chimpy!"})

    def lists(self, request: Request) -> Reply:
        account, page, documents = self._account(request), query.Page.read(request), documents_for(request)
        since, before = query.moment(request, "since_date_created"), query.moment(request, "before_date_created")
        email = request.value("email")
        found = [
            each
            for each in self._lists(account)
            if (since is None or each.created_at > since) and (before is None or each.created_at < before)
            if email is None or each.find_email(email) is not None
        ]
        if query.choice(request, "sort_dir", ("ASC", "DESC")) == "DESC":
            found.reverse()
        counts_all = query.flag(request, "include_total_contacts")
        shown = [documents.audience(each, account, counts_all=counts_all) for each in page.cut(found)]
        constraints = {"may_create": True, "max_instances": -1, "current_total_instances": len(self._lists(account))}
        links = documents.links("/lists", "/")
        return Reply(body={"lists": shown, "total_items": len(found), "constraints": constraints, "_links": links})

    def get_list(self, request: Request, list_id: str) -> Reply:
        audience, counts_all = self._list(request, list_id), query.flag(request, "include_total_contacts")
        account = self._account(request)
        return Reply(body=documents_for(request).audience(audience, account, counts_all=counts_all))

    def _lists(self, account: Account) -> list[Audience]:
        return [each for each in self.mailchimp.lists if each.account == account.name]

    # Members

    def members(self, request: Request, list_id: str) -> Reply:
        audience, wanted, page = self._list(request, list_id), MemberQuery.read(request), query.Page.read(request)
        shuffles_ties = self.mailchimp.options.shuffle_ties
        found = self.mailchimp.listing.members(audience, wanted, shuffles_ties=shuffles_ties)
        documents = documents_for(request)
        shown = [documents.member(audience, each) for each in page.cut(found)]
        links = documents.links(f"/lists/{audience.id}/members", f"/lists/{audience.id}")
        return Reply(
            body={"members": shown, "list_id": audience.id, "total_items": len(found), "_links": links},
        )

    def add_member(self, request: Request, list_id: str) -> Reply:
        writer = self._writer(request, list_id)
        given = read_member(read_json(request))
        if given.email_address is None or given.status is None:
            lacking = "email_address" if given.email_address is None else "status"
            raise errors.invalid_resource(errors.not_provided(lacking))
        return self._shown(request, writer, writer.add(given))

    def get_member(self, request: Request, list_id: str, who: str) -> Reply:
        audience, member = self._member(request, list_id, who)
        return Reply(body=documents_for(request).member(audience, member))

    def put_member(self, request: Request, list_id: str, who: str) -> Reply:
        writer = self._writer(request, list_id)
        return self._shown(request, writer, writer.put(who, read_member(read_json(request))))

    def patch_member(self, request: Request, list_id: str, who: str) -> Reply:
        writer = self._writer(request, list_id)
        member = existing(writer.audience.find(who))
        given = read_member(read_json(request))
        return self._shown(request, writer, writer.update(member, given, given.status))

    def archive_member(self, request: Request, list_id: str, who: str) -> Reply:
        _, member = self._member(request, list_id, who)
        consent.check_archive(member)
        self._writer(request, list_id).archive(member)
        return Reply(status=204)

    def forget_member(self, request: Request, list_id: str, email_hash: str) -> Reply:
        """Takes the hash only."""
        writer = self._writer(request, list_id)
        writer.forget(existing(writer.audience.find_hash(email_hash)))
        return Reply(status=204)

    def write_members(self, request: Request, list_id: str) -> Reply:
        """The batch endpoint: 200 whatever becomes of the members."""
        writer, document = self._writer(request, list_id), read_object(request)
        members = document.get("members")
        if not isinstance(members, list):
            raise errors.invalid_resource(errors.not_provided("members"))
        if len(members) > bulk.MOST_MEMBERS:
            # Assumed: the wording.
            raise errors.invalid_resource(("members", f"No more than {bulk.MOST_MEMBERS} members can be submitted."))
        rules = BulkRules(
            updates_existing=bool(document.get("update_existing")),
            syncs_tags=bool(document.get("sync_tags")),
            skips_duplicates=query.flag(request, "skip_duplicate_check"),
        )
        outcome = bulk.write_members(writer, members, rules)
        return Reply(body=self._bulk_json(request, writer.audience, outcome))

    def _bulk_json(self, request: Request, audience: Audience, outcome: BulkOutcome) -> JsonObject:
        documents, tells_contact_id = documents_for(request), self.mailchimp.options.bulk_tells_contact_id

        def shown(members: list[Member]) -> list[JsonObject]:
            return [documents.bulk_member(audience, each, tells_contact_id=tells_contact_id) for each in members]

        return {
            "new_members": shown(outcome.created),
            "updated_members": shown(outcome.updated),
            "errors": outcome.errors,
            "total_created": len(outcome.created),
            "total_updated": len(outcome.updated),
            "error_count": len(outcome.errors),
            "_links": documents.links(f"/lists/{audience.id}", "/lists"),
        }

    def _writer(self, request: Request, list_id: str) -> MemberWriter:
        skips_required = query.flag(request, "skip_merge_validation")
        return self.mailchimp.writer(self._list(request, list_id), skips_required=skips_required)

    @staticmethod
    def _shown(request: Request, writer: MemberWriter, member: Member) -> Reply:
        return Reply(body=documents_for(request).member(writer.audience, member))

    # Tags and merge fields

    def member_tags(self, request: Request, list_id: str, who: str) -> Reply:
        audience, member = self._member(request, list_id, who)
        documents = documents_for(request)
        tags = documents.member_tags(audience, member)
        path = f"/lists/{audience.id}/members/{member.hash}"
        links = documents.links(f"{path}/tags", path)
        return Reply(body={"tags": query.Page.read(request).cut(tags), "total_items": len(tags), "_links": links})

    def tag_member(self, request: Request, list_id: str, email_hash: str) -> Reply:
        """Takes the hash only."""
        writer = self._writer(request, list_id)
        member = existing(writer.audience.find_hash(email_hash))
        tags = _tags(read_object(request))
        has_changed = writer.set_tags(member, [name for name, is_active in tags if is_active])
        has_changed |= writer.remove_tags(member, [name for name, is_active in tags if not is_active])
        writer.touch_for_tags(member, has_changed=has_changed)
        return Reply(status=204)

    def search_tags(self, request: Request, list_id: str) -> Reply:
        """All tags that begin with `name`, on one page."""
        audience, prefix = self._list(request, list_id), (request.value("name") or "").casefold()
        found = [
            {"id": each, "name": name} for each, name in audience.tags.items() if name.casefold().startswith(prefix)
        ]
        return Reply(body={"tags": found, "total_items": len(found)})

    # Batch operations

    def start_batch(self, request: Request) -> Reply:
        """The answer is always that of a batch that has not been looked at yet."""
        wanted, now = operations.read_operations(read_json(request)), self.mailchimp.stage.clock.now()
        account = self._account(request)
        batch = self.mailchimp.batches.add(account.name, self.mailchimp.options.batch_seconds, now)
        body = operations.batch_json(batch, batch.submitted_at, "", self._batch_links(request, batch))
        batch.answers.extend(self._run(request, each) for each in wanted)
        fresh = {"status": "pending", "completed_at": "", "finished_operations": 0}
        return Reply(body=body | fresh)

    def get_batch(self, request: Request, batch_id: str) -> Reply:
        return Reply(body=self._batch_json(request, self.mailchimp.batches.find(self._account(request).name, batch_id)))

    def batches(self, request: Request) -> Reply:
        found = self.mailchimp.batches.of(self._account(request).name)
        shown = [self._batch_json(request, each) for each in query.Page.read(request).cut(found)]
        links = documents_for(request).links("/batches", "/")
        return Reply(body={"batches": shown, "total_items": len(found), "_links": links})

    def _batch_json(self, request: Request, batch: Batch) -> JsonObject:
        now, url = self.mailchimp.stage.clock.now(), ""
        if batch.status(now) == "finished" and now < batch.completed_at + operations.KEPT_TIME:
            url = f"{origin(request)}/{RESULTS}/{self.mailchimp.batches.new_link(batch, now)}.tar.gz"
        return operations.batch_json(batch, now, url, self._batch_links(request, batch))

    @staticmethod
    def _batch_links(request: Request, batch: Batch) -> list[JsonObject]:
        return documents_for(request).links(f"/batches/{batch.id}", "/batches")

    def _run(self, request: Request, operation: Operation) -> JsonObject:
        segments = ("3.0", *(part for part in operation.path.split("/") if part))
        params = tuple((name, _parameter(value)) for name, value in operation.params.items())
        part = replace(request, method=operation.method, query=params, body=operation.body.encode())
        try:
            reply = self._answer(part, segments)
        except Problem as problem:
            reply = self._refused(problem)
        response = "" if reply.body is None else json.dumps(reply.body)
        return {"status_code": reply.status, "operation_id": operation.operation_id, "response": response}

    def _results(self, segments: Sequence[str]) -> Reply:
        token = segments[0].removesuffix(".tar.gz") if len(segments) == 1 else ""
        packed = self.mailchimp.batches.archive(token, self.mailchimp.stage.clock.now())
        if packed is None:
            # Assumed: the storage of the answers refuses in its own words, without a problem document.
            return Reply(status=403)
        return Reply(raw=packed, headers=(("content-type", "application/gzip"),))


def _is_path_of(route: Route, request: Request, segments: Sequence[str]) -> bool:
    return route.match(replace(request, method=route.method), segments) is not None


def _tags(document: JsonObject) -> list[tuple[str, bool]]:
    """Names, and whether each is to be on. Raises Problem for anything that does not fit the schema."""
    tags = document.get("tags")
    if not isinstance(tags, list):
        raise errors.invalid_resource(errors.not_provided("tags"))
    for each in tags:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str) or not each["name"].strip():
            raise errors.invalid_resource(errors.not_provided("name"))
        if each.get("status") not in ("active", "inactive"):
            raise errors.invalid_resource(errors.not_accepted("status", ("inactive", "active")))
    return [(each["name"], each["status"] == "active") for each in tags]


def _parameter(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cut_page(reply: Reply, fault: FaultRule | None) -> Reply:
    """What `truncate_page` and `empty_page` leave of a list of members. `total_items` goes on telling the truth,
    unless the rule's `body` says something else."""
    if fault is None or fault.action not in ("truncate_page", "empty_page") or "members" not in (reply.body or {}):
        return reply
    members = reply.body["members"]
    kept = members[: len(members) // 2] if fault.action == "truncate_page" else []
    return replace(reply, body=reply.body | {"members": kept} | (fault.body or {}))

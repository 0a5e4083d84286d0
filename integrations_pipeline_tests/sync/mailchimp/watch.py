"""What no request of ours may do to consent, looked at on the wire, for every request of every test.

`ConsentWatch` is the network of a world. Before and after each request that is not a plain read it looks at
the audience itself: what the request says and what became of the members. People act between requests, not
during one, so whatever changed is the request's doing. Belongs here: the rules of consent as the provider
sees them. Does not: what the workspace makes of consent (`test_consent`).
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import Mailchimp
from integrations_sandbox.mailchimp.model import Audience, Member

#: How much a status lets somebody be mailed; statuses of one rank say the same.
RANKS = {"cleaned": 0, "unsubscribed": 0, "transactional": 1, "pending": 1, "subscribed": 2}
SEEN: Counter[str] = Counter()
_LIST = re.compile(r"/3\.0/lists/([^/]+)(?:/members/([^/]+))?")


@dataclass(frozen=True, slots=True)
class Contact:
    """The workspace's contact of a member: whether it opted out, and the record it is linked to, or ""."""

    is_out: bool = False
    record_id: str = ""


#: (list id, members) → their contacts by the members' contact id; those that have none are left out.
FindContacts = Callable[[str, Sequence[Member]], Mapping[str, Contact]]


@dataclass(frozen=True, slots=True)
class _Before:
    audience: Audience
    ranks: Mapping[str, int]


class ConsentWatch(Loopback):
    """`problems` lists, in words without personal data, what a request did that none may do; `most` is the rank
    that a new member of each audience may have."""

    def __init__(self, mailchimp: Mailchimp, find_contacts: FindContacts) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.most: dict[str, int] = {}
        self._mailchimp = mailchimp
        self._unsubscribed: set[str] = set()
        self._contacts = find_contacts
        gather("requests to Mailchimp", SEEN)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.before(request)
        SEEN["all"] += 1
        before = self._look(request)
        try:
            response = self._network.handle_request(request)
            response.read()
        finally:
            if before is not None:
                self._compare(request, before)
        self.after(request)
        return response

    def assert_kept(self) -> None:
        assert not self.problems, self.problems

    def _look(self, request: httpx.Request) -> _Before | None:
        found = _LIST.search(request.url.path)
        if found is None or request.method == "GET":
            return None
        SEEN["writes"] += 1
        if "delete-permanent" in request.url.path:
            self.problems.append("a member was deleted for good")
        with self._mailchimp.stage.lock:
            audience = self._mailchimp.find_list(found[1])
            body = json.loads(request.content) if request.content else {}
            for member, document in self._told(audience, found[2], body):
                self._check_status(request, audience, member, document)
            return _Before(audience, {key: rank(each) for key, each in audience.members.items()})

    @staticmethod
    def _told(audience: Audience, who: str | None, body: Any) -> Iterator[tuple[Member | None, Mapping[str, Any]]]:
        """The members that a request is about, None where there is none, with what it says about each."""
        if who is not None:
            yield audience.find(who), body
        for document in body.get("members", ()):
            yield audience.find_email(str(document.get("email_address", ""))), document

    def _check_status(
        self, request: httpx.Request, audience: Audience, member: Member | None, document: Mapping[str, Any]
    ) -> None:
        """`status` is for an opt-out only: of a subscribed member whose contact opted out in the workspace."""
        if "status" not in document:
            return
        SEEN["status sent"] += 1
        if member is None or request.method != "PATCH" or document != {"status": "unsubscribed"}:
            self.problems.append(f"{request.method} sent a status")
        elif self._is_repeated(member):
            SEEN["status sent again"] += 1
        elif member.status != "subscribed":
            self.problems.append(f"a status was sent to a member who is {member.status}")
        elif not self._contacts(audience.id, [member]).get(member.contact_id, Contact()).is_out:
            self.problems.append("a member was unsubscribed whose contact had not opted out")
        else:
            self._unsubscribed.add(member.contact_id)

    def _is_repeated(self, member: Member) -> bool:
        """Whether we unsubscribed the member ourselves, and nobody did anything since: the answer was lost."""
        is_ours = member.contact_id in self._unsubscribed and not member.is_in_compliance
        return is_ours and member.status == "unsubscribed"

    def _compare(self, request: httpx.Request, before: _Before) -> None:
        """Nobody's consent is higher than before, and of the new ones nobody's than it may be."""
        with self._mailchimp.stage.lock:
            members = before.audience.members
            for key, held in before.ranks.items():
                if key in members and rank(members[key]) > held:
                    self.problems.append(f"{request.method} raised a member to {members[key].status}")
            SEEN["members looked at"] += len(before.ranks)
            new = [member for key, member in members.items() if key not in before.ranks]
        SEEN["members made"] += len(new)
        contacts = self._contacts(before.audience.id, new) if new else {}
        for member in new:
            self._check_new(before.audience, member, contacts.get(member.contact_id, Contact()))

    def _check_new(self, audience: Audience, member: Member, contact: Contact) -> None:
        """A new member may be as the settings say; unsubscribed, if the contact opted out, or no more than the
        member it had so far, if this one is for its new e-mail."""
        earlier = audience.members.get(contact.record_id)
        SEEN["members made for somebody who opted out"] += contact.is_out
        SEEN["members made for a new e-mail"] += earlier is not None
        most = 0 if contact.is_out else self.most.get(audience.id, 1)
        if rank(member) > (most if earlier is None else rank(earlier)):
            self.problems.append(f"a new member is {member.status}")


def rank(member: Member) -> int:
    """An archived member's is that of its status before."""
    return RANKS[member.status_before_archive if member.status == "archived" else member.status]

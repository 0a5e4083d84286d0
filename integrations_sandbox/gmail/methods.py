"""The methods of the API: path, scopes and quota units of each.

Belongs here: what Google's discovery document and its page of quotas say of a method. Does not belong here: what a
method does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAIL = "https://mail.google.com/"
_AUTH = "https://www.googleapis.com/auth/gmail."
COMPOSE, INSERT, LABELS, METADATA = _AUTH + "compose", _AUTH + "insert", _AUTH + "labels", _AUTH + "metadata"
MODIFY, READONLY, SEND, SETTINGS = _AUTH + "modify", _AUTH + "readonly", _AUTH + "send", _AUTH + "settings.basic"

_READ = (MAIL, METADATA, MODIFY, READONLY)
_CHANGE = (MAIL, MODIFY)
_WRITE_DRAFT = (MAIL, COMPOSE, MODIFY)
_READ_DRAFT = (MAIL, COMPOSE, MODIFY, READONLY)
_INSERT = (MAIL, INSERT, MODIFY)
_READ_LABELS = (MAIL, LABELS, METADATA, MODIFY, READONLY)
_WRITE_LABELS = (MAIL, LABELS, MODIFY)
_READ_SETTINGS = (MAIL, MODIFY, READONLY, SETTINGS)

#: Bytes of a message that is uploaded, from the discovery document.
MOST_SENT = 36_700_160
MOST_STORED = 157_286_400


@dataclass(frozen=True, slots=True)
class Method:
    """`path` follows `gmail/v1/`; its first `{}` is the user. `upload_limit` 0: it takes no media upload."""

    name: str
    verb: str
    path: str
    scopes: tuple[str, ...]
    units: int
    upload_limit: int = 0

    @property
    def rpc(self) -> str:
        """The name that errors give it, such as `caribou.api.proto.MailboxService.ListLabels`."""
        noun, _, verb = self.name.rpartition(".")
        noun = noun.rpartition(".")[2]
        is_many = verb in ("list", "batchModify", "batchDelete") or not noun
        called = noun if is_many else noun.removesuffix("s")
        return f"caribou.api.proto.MailboxService.{verb[0].upper()}{verb[1:]}{called[:1].upper()}{called[1:]}"

    def match(self, verb: str, segments: Sequence[str]) -> tuple[str, ...] | None:
        """The arguments in a path that fits, the user first."""
        parts = self.path.split("/")
        if verb != self.verb or len(parts) != len(segments):
            return None
        pairs = list(zip(parts, segments, strict=True))
        if any(part not in ("{}", segment) for part, segment in pairs):
            return None
        return tuple(segment for part, segment in pairs if part == "{}")


# Units: the figures valid from 2026-05-01. Assumed to have stayed as they were before: drafts.get, list and delete,
# messages.delete, trash and untrash, threads.modify, trash, untrash and delete, labels, stop, settings.
METHODS: tuple[Method, ...] = (
    Method("getProfile", "GET", "users/{}/profile", (*_READ, COMPOSE), 1),
    Method("watch", "POST", "users/{}/watch", _READ, 100),
    Method("stop", "POST", "users/{}/stop", _READ, 50),
    Method("messages.list", "GET", "users/{}/messages", _READ, 5),
    Method("messages.get", "GET", "users/{}/messages/{}", _READ, 20),
    Method("messages.send", "POST", "users/{}/messages/send", (MAIL, COMPOSE, MODIFY, SEND), 100, MOST_SENT),
    Method("messages.insert", "POST", "users/{}/messages", _INSERT, 25, MOST_STORED),
    Method("messages.import", "POST", "users/{}/messages/import", _INSERT, 25, MOST_STORED),
    Method("messages.modify", "POST", "users/{}/messages/{}/modify", _CHANGE, 5),
    Method("messages.trash", "POST", "users/{}/messages/{}/trash", _CHANGE, 5),
    Method("messages.untrash", "POST", "users/{}/messages/{}/untrash", _CHANGE, 5),
    Method("messages.delete", "DELETE", "users/{}/messages/{}", (MAIL,), 10),
    Method("messages.batchModify", "POST", "users/{}/messages/batchModify", _CHANGE, 50),
    Method("messages.batchDelete", "POST", "users/{}/messages/batchDelete", (MAIL,), 50),
    Method("messages.attachments.get", "GET", "users/{}/messages/{}/attachments/{}", (MAIL, MODIFY, READONLY), 20),
    Method("threads.list", "GET", "users/{}/threads", _READ, 10),
    Method("threads.get", "GET", "users/{}/threads/{}", _READ, 40),
    Method("threads.modify", "POST", "users/{}/threads/{}/modify", _CHANGE, 10),
    Method("threads.trash", "POST", "users/{}/threads/{}/trash", _CHANGE, 10),
    Method("threads.untrash", "POST", "users/{}/threads/{}/untrash", _CHANGE, 10),
    Method("threads.delete", "DELETE", "users/{}/threads/{}", (MAIL,), 20),
    Method("drafts.list", "GET", "users/{}/drafts", _READ_DRAFT, 5),
    Method("drafts.get", "GET", "users/{}/drafts/{}", _READ_DRAFT, 5),
    Method("drafts.create", "POST", "users/{}/drafts", _WRITE_DRAFT, 10, MOST_SENT),
    Method("drafts.update", "PUT", "users/{}/drafts/{}", _WRITE_DRAFT, 15, MOST_SENT),
    Method("drafts.send", "POST", "users/{}/drafts/send", _WRITE_DRAFT, 100, MOST_SENT),
    Method("drafts.delete", "DELETE", "users/{}/drafts/{}", _WRITE_DRAFT, 10),
    Method("history.list", "GET", "users/{}/history", _READ, 2),
    Method("labels.list", "GET", "users/{}/labels", _READ_LABELS, 1),
    Method("labels.get", "GET", "users/{}/labels/{}", _READ_LABELS, 1),
    Method("labels.create", "POST", "users/{}/labels", _WRITE_LABELS, 5),
    Method("labels.patch", "PATCH", "users/{}/labels/{}", _WRITE_LABELS, 5),
    Method("labels.update", "PUT", "users/{}/labels/{}", _WRITE_LABELS, 5),
    Method("labels.delete", "DELETE", "users/{}/labels/{}", _WRITE_LABELS, 5),
    Method("settings.sendAs.list", "GET", "users/{}/settings/sendAs", _READ_SETTINGS, 1),
    Method("settings.sendAs.get", "GET", "users/{}/settings/sendAs/{}", _READ_SETTINGS, 1),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A method that a request asks for, and the arguments in its path, the user first."""

    method: Method
    arguments: tuple[str, ...]


def find_target(verb: str, segments: Sequence[str]) -> Target | None:
    """What a path after `gmail/v1` asks for."""
    for method in METHODS:
        arguments = method.match(verb, segments)
        if arguments is not None:
            return Target(method, arguments)
    return None

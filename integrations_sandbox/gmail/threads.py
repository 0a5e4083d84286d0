"""Which thread a message joins.

Belongs here: the rule of the documentation for what a mailbox's owner writes, and that for what arrives. Does not
belong here: storing messages.

| message                        | joins a thread when                                                          |
|--------------------------------|------------------------------------------------------------------------------|
| written, with a `threadId`     | In-Reply-To and References are there, one names a message in that thread, and |
|                                | the subject is the thread's but for `Re:`                                    |
| written, without               | never                                                                        |
| arriving                       | In-Reply-To or References name a message of the mailbox, and the subject is   |
|                                | that message's but for `Re:`                                                 |
| arriving, a delivery report    | as above, whatever its subject                                               |

Assumed: a written message that fails the test begins a thread of its own instead of being refused; drafts are no
members that a reply can name.
"""

import re

from integrations_sandbox.gmail import errors
from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.model import Content, Message

_REPLY = re.compile(r"\s*re\s*:\s*", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{1,16}")


def for_written(mailbox: Mailbox, content: Content, thread_id: str | None) -> str | None:
    """The thread, or None for a new one. Raises WireError for a thread that does not exist or cannot."""
    if not thread_id:
        return None
    if not _ID.fullmatch(thread_id):
        raise errors.invalid_argument("Invalid thread_id value")
    members = mailbox.thread(thread_id)
    if not members:
        raise errors.not_found()
    mail = content.mail
    if not (mail.has("In-Reply-To") and mail.has("References")):
        return None
    return thread_id if any(_answers(content, member) for member in members) else None


def for_arriving(mailbox: Mailbox, content: Content) -> str | None:
    for known in reversed(mailbox.find(content.references)):
        if "DRAFT" not in known.labels and (is_report(content) or _has_subject_of(content, known)):
            return known.thread_id
    return None


def is_report(content: Content) -> bool:
    """Whether this tells of a delivery: such mail lands in the thread of what it tells of."""
    return content.is_report or "mailer-daemon@" in content.mail.text("From").lower()


def plain_subject(subject: str) -> str:
    """What two subjects of one thread have in common."""
    while found := _REPLY.match(subject):
        subject = subject[found.end() :]
    return " ".join(subject.split()).lower()


def _answers(content: Content, member: Message) -> bool:
    is_named = member.content.message_id in content.references and "DRAFT" not in member.labels
    return is_named and _has_subject_of(content, member)


def _has_subject_of(content: Content, other: Message) -> bool:
    return plain_subject(content.mail.text("Subject")) == plain_subject(other.content.mail.text("Subject"))

"""E-mails that change hands among contacts: each lets go of its own before any takes another's, in one go.

The workspace's index lets no two contacts have one e-mail, not even between two statements. Belongs here: who waits for
whom, and the two steps. Does not: whether they should (`sync.contacts.load`).
"""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.rows import dump

_HELD = text(
    "select id::text, lower(email) from workspace_contacts where id = any(cast(:ids as uuid[])) and deleted_at is null"
)
_RELEASE = text(
    """
    update workspace_contacts c set email = null
    from jsonb_to_recordset(cast(:rows as jsonb)) as p(id uuid, version bigint)
    where c.id = any(cast(:ids as uuid[])) and c.id = p.id and c.deleted_at is null
        and (p.version is null or c.version = p.version)
    returning c.id::text, c.version
    """
)


def hand_over(connection: Connection, writes: Sequence[ContactWrite], *, is_freed: bool = False) -> dict[str, int]:
    """Write these contacts as far as they give each other their e-mails, in chains or rings; id → new version of those
    written. `is_freed`: others of their line were written already, so that somebody may just have come too early.

    A line in which one contact has another version by now, or whose last wants what somebody outside holds, is left as
    it is.
    """
    found = connection.execute(_HELD, {"ids": [write.contact_id for write in writes]})
    held = {email: contact_id for contact_id, email in found if email}
    written: dict[str, int] = {}
    for line in lines({write.contact_id: write for write in writes}, held):
        written |= _exchange(connection, line)
    left = [write for write in writes if write.contact_id not in written] if is_freed else []
    return written | contacts.update_contacts(connection, left)


def lines(writes: Mapping[str, ContactWrite], held: Mapping[str, str]) -> Iterator[list[ContactWrite]]:
    """Contacts each of whom wants what the next one holds: chains from their beginning, and rings, each contact in one
    line. `held`: e-mail → holder. Of two that want the same, the second is in no line."""
    holder_of = {key: held.get(write.fields["email"].strip().lower(), "") for key, write in writes.items()}
    wanted = set(holder_of.values())
    done: set[str] = set()
    for first in sorted(writes, key=lambda key: key in wanted):
        line: list[str] = []
        each = first
        while each in writes and each not in done:
            done.add(each)
            line.append(each)
            each = holder_of[each]
        if each in line:
            line = line[line.index(each) :]
        elif each in done:
            line = []
        if len(line) > 1:
            yield [writes[key] for key in line]


def _exchange(connection: Connection, line: Sequence[ContactWrite]) -> dict[str, int]:
    rows = [{"id": write.contact_id, "version": write.version} for write in line]
    try:
        with connection.begin_nested() as attempt:
            released = connection.execute(_RELEASE, {"rows": dump(rows), "ids": [row["id"] for row in rows]})
            versions = {contact_id: version for contact_id, version in released}
            again = [
                ContactWrite(contact_id=each.contact_id, fields=each.fields, version=versions.get(each.contact_id))
                for each in line
            ]
            written = contacts.update_contacts(connection, again) if len(versions) == len(line) else {}
            if len(written) < len(line):
                attempt.rollback()
                return {}
    except IntegrityError:
        return {}
    return written

"""Which records that are not linked yet are the same person. Ambiguity is reported, never guessed.

Belongs here: pairing by the key a create of ours left behind, then by identity key. Does not: merging the
pairs (`merge`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

MANY_REMOTE = "duplicate e-mail: several records at the provider share it; give each its own or merge them"
MANY_LOCAL = "duplicate e-mail: several contacts of the workspace share it; give each its own or merge them"
HELD_REMOTE = "duplicate e-mail: another record at the provider, already linked, has it"
HELD_LOCAL = "duplicate e-mail: a contact that is linked to another record has it"
SAME_KEY = "duplicate contact id: several records at the provider carry the id of one contact"
#: Nobody can tell who is who: an edit on either side answers it.
AMBIGUOUS = frozenset({MANY_REMOTE, MANY_LOCAL, HELD_REMOTE, HELD_LOCAL, SAME_KEY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlinked:
    """Records of one side without a link: `keys` maps id → identity key, "" where there is none."""

    keys: Mapping[str, str]
    #: Remote only: id → contact id that a create of ours wrote there, "" where there is none.
    contact_keys: Mapping[str, str] = field(default_factory=dict)
    #: Identity keys that linked records of this side hold.
    linked_keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Pairs (contact_id, external_id), and what was set aside: id → reason."""

    pairs: tuple[tuple[str, str], ...]
    local_aside: Mapping[str, str]
    remote_aside: Mapping[str, str]


def match_unlinked(local: Unlinked, remote: Unlinked) -> Matches:
    """Pair the unlinked records of both sides, one to one.

    First by contact key: it says which create of ours made the record, also after a crash before the
    acknowledgement. Then by identity key, only where exactly one record on each side has it, linked ones
    included. Records without identity key are never matched by it; they are created on the other side.
    """
    by_key, remote_aside = _match_contact_keys(local, remote)
    twice = {remote.contact_keys[external_id] for external_id in remote_aside}
    paired_remote = set(by_key.values())
    # Who is paired already holds its e-mail like a linked record does.
    local_held = local.linked_keys | {local.keys[contact_id] for contact_id in by_key}
    remote_held = remote.linked_keys | {remote.keys[external_id] for external_id in paired_remote}
    local_left = {key: value for key, value in local.keys.items() if key not in by_key}
    remote_left = {
        key: value for key, value in remote.keys.items() if key not in paired_remote and key not in remote_aside
    }
    local_counts = _counts(local, local.keys)
    remote_counts = _counts(remote, remote.keys)
    local_aside = {
        contact_id: reason
        for contact_id, key in local_left.items()
        if (
            reason := SAME_KEY if contact_id in twice else _local_problem(key, local_counts, remote_counts, remote_held)
        )
    }
    remote_aside |= {
        external_id: reason
        for external_id, key in remote_left.items()
        if (reason := _remote_problem(key, local_counts, remote_counts, local_held))
    }
    holder = {key: external_id for external_id, key in remote_left.items() if key}
    by_identity = {
        contact_id: holder[key]
        for contact_id, key in local_left.items()
        if key in holder and contact_id not in local_aside and holder[key] not in remote_aside
    }
    return Matches(
        pairs=tuple(sorted((by_key | by_identity).items())),
        local_aside=local_aside,
        remote_aside=remote_aside,
    )


def _match_contact_keys(local: Unlinked, remote: Unlinked) -> tuple[dict[str, str], dict[str, str]]:
    claims: dict[str, list[str]] = {}
    for external_id, contact_id in remote.contact_keys.items():
        if contact_id in local.keys:
            claims.setdefault(contact_id, []).append(external_id)
    pairs = {contact_id: found[0] for contact_id, found in claims.items() if len(found) == 1}
    aside = {external_id: SAME_KEY for found in claims.values() if len(found) > 1 for external_id in found}
    return pairs, aside


def _counts(side: Unlinked, keys: Mapping[str, str]) -> Counter[str]:
    counts = Counter(key for key in keys.values() if key)
    counts.update(side.linked_keys)
    return counts


def _local_problem(
    key: str, local_counts: Counter[str], remote_counts: Counter[str], remote_linked: frozenset[str]
) -> str:
    if not key:
        return ""
    if local_counts[key] > 1:
        return MANY_LOCAL
    if key in remote_linked:
        return HELD_REMOTE
    return MANY_REMOTE if remote_counts[key] > 1 else ""


def _remote_problem(
    key: str, local_counts: Counter[str], remote_counts: Counter[str], local_linked: frozenset[str]
) -> str:
    if not key:
        return ""
    if key in local_linked:
        return HELD_LOCAL
    if remote_counts[key] > 1:
        return MANY_REMOTE
    return MANY_LOCAL if local_counts[key] > 1 else ""

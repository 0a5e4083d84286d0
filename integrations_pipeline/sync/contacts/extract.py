"""Stage 1: what changed on each side since the last checkpoint. One shape, however it was found: changed records and
tombstones; a full read is a listing of which only what differs from its link's fingerprint is kept.

    provider ──► reading (sieve) ──► stale, belief ──┐
    workspace, base of those affected ───────────────┴──► World (`affected`); none where nothing was told

Belongs here: what was told of each side. Does not: frames (`affected`), deciding anything. Remote first, its cursor
taken before reading; then local: an edit that lands later is found by the version guard or by the next run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from integrations_pipeline.model import Checkpoint, Direction
from integrations_pipeline.store import contacts, links
from integrations_pipeline.sync.fingerprints import fingerprints_of
from integrations_pipeline.sync.reading import (
    RemoteRead,
    complete,
    confirm_missing,
    forget_known,
    read_remote,
    remember,
)
from integrations_pipeline.sync.runtime import Run

if TYPE_CHECKING:
    from integrations_pipeline.engine.reader import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """Both sides and the base, and the checkpoint to store once the plan is applied."""

    #: None where nothing was told, so that there is nothing to plan, and once it is planned: nobody looks at it again.
    world: "World | None"
    checkpoint: Checkpoint
    is_complete: bool
    tells_own_writes: bool
    #: Records that we wrote a moment ago: a read of them may still show the state before.
    recent: frozenset[str]
    #: Records that the next run reads again.
    again: frozenset[str]
    #: Nothing was told of anybody but of whom nobody wants.
    is_quiet: bool = False
    #: Contacts and records, by id, that are being edited, since when.
    settling: Mapping[str, datetime] = field(default_factory=dict)
    #: Those of them that are contacts.
    settling_here: frozenset[str] = frozenset()
    #: Records that came without any value although they had some.
    blank: frozenset[str] = frozenset()
    #: Fields that neither side gets, with the reason, and those of them that the last run still synced.
    silent: Mapping[str, str] = field(default_factory=dict)
    newly_stopped: frozenset[str] = frozenset()
    #: What records looked like when they came, by id: those that told everything and are believed.
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    #: Some record lacks a field that is mapped: its column may have another name by now.
    has_absent: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What changed in the workspace: contacts by id."""

    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def extract(run: Run, *, direction: Direction, is_full: bool) -> Extracted:
    """Read both sides. A read that fails raises; it is never taken for an empty side."""
    stored = run.checkpoint
    is_changed = stored is not None and stored.configuration != run.configuration
    # A field that is synced again, or has another column now, has missed what no feed tells.
    is_whole = is_full or _is_resumed(run, stored) or _is_renewed(run)
    remote = read_remote(run, None if is_changed else stored, is_full=is_whole)
    news = _local_news(run)
    if run.spec.capabilities.tells_new_only:
        forget_known(run, remote)
    if remote.sieve is not None:
        confirm_missing(run, remote, remote.sieve)
    else:
        complete(run, remote)
        remote.fingerprints = fingerprints_of(run, remote.records)
    if stored is not None and not is_changed and _is_quiet(run, remote, news):
        return _nothing(run, stored, remote)
    if remote.sieve is None:
        remember(run, remote, run.agenda.unwanted_records)
    from integrations_pipeline.sync.contacts.affected import read_affected  # noqa: PLC0415 - pandas, where it is needed

    return read_affected(run, remote, news, direction)


def _is_quiet(run: Run, remote: RemoteRead, news: News) -> bool:
    """Whether nothing was told of either side, by a read of changes; a read of everything has counts to tell."""
    is_told = remote.records or remote.tombstones or set(news.changed) - run.agenda.unwanted_contacts or news.gone
    return not is_told and remote.sieve is None and run.provider.looked is None


def _nothing(run: Run, stored: Checkpoint, remote: RemoteRead) -> Extracted:
    """Most runs of most workspaces: nobody is looked at, so nobody is read. Only the cursor moves on."""
    return Extracted(
        world=None,
        checkpoint=checkpoint_of(run, stored, remote),
        is_complete=False,
        is_quiet=True,
        tells_own_writes=remote.tells_own_writes,
        recent=frozenset(),
        again=frozenset(),
        silent=stored.silent,
        notices=tuple(remote.notices),
    )


def _local_news(run: Run) -> News:
    with run.session.begin() as connection:
        # A provider that only tells of new people takes no edits: those of contacts change nothing there.
        is_asked = not run.spec.capabilities.tells_new_only
        workspace_id, connection_id = run.connection.workspace_id, run.connection.id
        changed = contacts.changed_contact_ids(connection, workspace_id, connection_id) if is_asked else []
        changed += run.agenda.one_sided_deletes.keys() - set(changed)
        gone = links.gone_contact_ids(connection, workspace_id, connection_id)
    return News(changed=tuple(changed), gone=tuple(gone))


def _is_resumed(run: Run, stored: Checkpoint | None) -> bool:
    """Whether a field that the last run left alone has its column again. While one is stopped every run looks; a column
    of the default mapping that never was there is looked for by full reads, and by runs that look anyway."""
    if run.agenda.stopped:
        run.provider.look()
    looked = run.provider.looked
    return looked is not None and stored is not None and bool(stored.silent.keys() - looked.silent.keys())


def _is_renewed(run: Run) -> bool:
    looked = run.provider.looked
    return looked is not None and bool(looked.renewed)


def checkpoint_of(run: Run, stored: Checkpoint | None, remote: RemoteRead) -> Checkpoint:
    """With what is known of the mapped columns by now; of a field that is stopped, what it was before."""
    new = replace(stored or Checkpoint(), remote=dict(remote.cursor), configuration=run.configuration)
    look = run.provider.looked
    if look is None:
        return new
    columns = {name: known.to_dict() for name, known in look.columns.items()}
    return replace(new, columns=columns, silent=dict(look.silent))

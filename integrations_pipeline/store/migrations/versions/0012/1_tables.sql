-- What waits for the next run or for a person: one row per thing. `change_id`: its row of the journal, which tells how
-- it came about; `change`: what is held or failed, as the journal names it; `fields`: its values, as the journal has them.
create table integration_agenda (
    id uuid primary key default gen_random_uuid(),
    connection_id uuid not null,
    workspace_id uuid not null,
    kind text not null constraint integration_agenda_kind check (kind in (
        'retry', 'held_delete', 'held_clear', 'held_email', 'held_create', 'held_place', 'conflict', 'ambiguous',
        'skipped', 'failed', 'refused', 'stopped_field')),
    side text constraint integration_agenda_side check (side in ('local', 'remote')),
    contact_id uuid,
    external_id text,
    field text,
    fields jsonb not null default '{}',
    reason text,
    run_id uuid,
    created_at timestamptz not null default now(),
    decision text constraint integration_agenda_decision check (
        decision in ('approved', 'rejected', 'local', 'remote', 'value')),
    decided_by text,
    decided_at timestamptz,
    change text constraint integration_agenda_change check (change in ('create', 'update', 'delete', 'link', 'unlink')),
    change_id uuid,
    constraint integration_agenda_decided check ((decision is null) = (decided_at is null)),
    constraint integration_agenda_connection foreign key (connection_id, workspace_id)
        references integration_connections (id, workspace_id) on delete cascade
);
create index integration_agenda_connection on integration_agenda (connection_id, workspace_id);
create index integration_agenda_workspace on integration_agenda (workspace_id);
-- What a person is asked is few rows among many that only the next run looks at.
create index integration_agenda_open on integration_agenda (kind, connection_id) where kind <> 'retry';

-- One question per contact and field: a run that finds the same one again must not ask twice.
create unique index integration_agenda_asked on integration_agenda
    (connection_id, kind, (coalesce(contact_id::text, external_id)), (coalesce(field, '')), side)
    where decision is null and kind in (
        'held_delete', 'held_clear', 'held_email', 'held_create', 'conflict');

-- A journal row may be held for several reasons at once; which questions are open, the agenda tells.
drop index if exists integration_changes_held;
drop index if exists integration_changes_open;

-- What was done in the last 24 hours counts toward the limits: few rows of a long history.
create index integration_changes_applied on integration_changes (connection_id, updated_at) where state = 'applied';

-- Told once per change of state, by whoever gets to it: an outbox.
create table integration_alerts (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid constraint integration_alerts_workspace references workspaces (id) on delete cascade,
    connection_id uuid constraint integration_alerts_connection
        references integration_connections (id) on delete cascade,
    kind text not null,
    text text not null,
    state text not null default 'waiting' constraint integration_alerts_state check (
        state in ('waiting', 'sent', 'failed')),
    created_at timestamptz not null default now(),
    sent_at timestamptz
);
create index integration_alerts_workspace on integration_alerts (workspace_id, created_at desc);
create index integration_alerts_connection on integration_alerts (connection_id, kind, created_at desc);
create index integration_alerts_waiting on integration_alerts (created_at) where state = 'waiting';

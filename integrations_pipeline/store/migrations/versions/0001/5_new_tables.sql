-- Tables that the original never had.

-- `contact_id` has no foreign key: applications may delete a contact's row, and the link must outlive it, or
-- the next sync would take the remote record for a new one and bring the deleted contact back.
create table integration_links (
    connection_id uuid not null,
    contact_id uuid not null,
    workspace_id uuid not null,
    external_id text not null,
    base jsonb not null default '{}',
    base_fingerprint text,
    external_revision text,
    contact_version bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (connection_id, contact_id),
    constraint integration_links_external unique (connection_id, external_id),
    constraint integration_links_connection foreign key (connection_id, workspace_id)
        references integration_connections (id, workspace_id) on delete cascade
);
create index integration_links_contact on integration_links (contact_id);
create index integration_links_workspace on integration_links (workspace_id);

-- `contact_id` has no foreign key: a change is written down before the contact that it creates exists.
create table integration_changes (
    id uuid primary key default gen_random_uuid(),
    sync_log_id uuid constraint integration_changes_sync_log
        references integration_sync_logs (id) on delete set null,
    plan_id uuid,
    run_id uuid,
    connection_id uuid not null,
    workspace_id uuid not null,
    contact_id uuid,
    external_id text,
    side text not null constraint integration_changes_side check (side in ('local', 'remote')),
    kind text not null constraint integration_changes_kind
        check (kind in ('create', 'update', 'delete', 'link', 'unlink')),
    before jsonb,
    after jsonb,
    base jsonb,
    conflict jsonb,
    state text not null default 'planned' constraint integration_changes_state check (
        state in ('planned', 'intended', 'applied', 'failed', 'held', 'skipped', 'superseded', 'undone')),
    reason text,
    error_class text,
    attempts integer not null default 0 constraint integration_changes_attempts check (attempts >= 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint integration_changes_connection foreign key (connection_id, workspace_id)
        references integration_connections (id, workspace_id) on delete cascade
);
create index integration_changes_connection_state on integration_changes (connection_id, state);
create index integration_changes_plan on integration_changes (plan_id);
create index integration_changes_run on integration_changes (run_id);
create index integration_changes_contact on integration_changes (contact_id);
create index integration_changes_sync_log_id on integration_changes (sync_log_id);
create index integration_changes_workspace on integration_changes (workspace_id, created_at desc);
-- One open question per contact: a run that finds the same held change again must not ask twice.
create unique index integration_changes_held
    on integration_changes (connection_id, (coalesce(contact_id::text, external_id)), kind, side)
    where state = 'held';

create table pitches (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null constraint pitches_workspace references workspaces (id) on delete cascade,
    contact_id uuid constraint pitches_contact references workspace_contacts (id) on delete set null,
    to_email text not null,
    subject text not null default '',
    body text not null default '',
    in_reply_to_pitch_id uuid constraint pitches_in_reply_to references pitches (id) on delete set null,
    status text not null default 'draft' constraint pitches_status check (status in (
        'draft', 'queued', 'sending', 'sent', 'unknown', 'replied', 'bounced', 'failed', 'cancelled')),
    scheduled_at timestamptz,
    sent_at timestamptz,
    replied_at timestamptz,
    error_message text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index pitches_workspace_status on pitches (workspace_id, status, scheduled_at);
create index pitches_contact_id on pitches (contact_id);
create index pitches_in_reply_to_id on pitches (in_reply_to_pitch_id);

create table pitch_emails (
    id uuid primary key default gen_random_uuid(),
    pitch_id uuid not null constraint pitch_emails_pitch references pitches (id) on delete cascade,
    connection_id uuid not null constraint pitch_emails_connection
        references integration_connections (id) on delete cascade,
    draft_id text,
    gmail_message_id text,
    gmail_thread_id text,
    rfc822_message_id text,
    attempt integer not null default 1 constraint pitch_emails_attempt_positive check (attempt > 0),
    state text not null constraint pitch_emails_state check (state <> ''),
    evidence jsonb not null default '{}',
    sent_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint pitch_emails_attempt unique (pitch_id, attempt)
);
create index pitch_emails_thread on pitch_emails (connection_id, gmail_thread_id);
create index pitch_emails_message on pitch_emails (connection_id, rfc822_message_id);

create table pitch_replies (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null,
    pitch_id uuid not null constraint pitch_replies_pitch references pitches (id) on delete cascade,
    connection_id uuid not null,
    gmail_message_id text not null,
    gmail_thread_id text,
    from_email text,
    received_at timestamptz not null,
    kind text not null constraint pitch_replies_kind
        check (kind in ('reply', 'auto_reply', 'bounce', 'out_of_office')),
    snippet text,
    created_at timestamptz not null default now(),
    constraint pitch_replies_message unique (connection_id, gmail_message_id),
    constraint pitch_replies_connection foreign key (connection_id, workspace_id)
        references integration_connections (id, workspace_id) on delete cascade
);
create index pitch_replies_pitch_id on pitch_replies (pitch_id);
create index pitch_replies_workspace on pitch_replies (workspace_id, received_at desc);

-- When the next request with a key may go out, shared by all processes. Lost in a crash, and that is fine.
create unlogged table provider_rate_limits (
    key text primary key,
    next_free_at timestamptz not null
);

-- Who an e-mail belongs to: composed, without outer white space (the same characters as Python's), lower case.
create or replace function integrations_identity_key(email text) returns text language sql immutable as $$
    select lower(btrim(normalize(email, nfc),
        U&'\0009\000A\000B\000C\000D\001C\001D\001E\001F\0020\0085\00A0\1680\2000\2001\2002\2003\2004'
        || U&'\2005\2006\2007\2008\2009\200A\2028\2029\202F\205F\3000'))
$$;

-- New remote records look for the link that holds their e-mail already.
create index integration_links_email on integration_links
    (connection_id, integrations_identity_key(base ->> 'email'));

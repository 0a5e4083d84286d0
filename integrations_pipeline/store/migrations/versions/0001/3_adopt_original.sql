-- Brings tables that were already there to the shape of 2_original_tables. On new tables nothing changes.
-- No row is deleted; values that the new checks do not know become their nearest harmless one.

-- Checks and policies of before, which know neither workspaces nor our values.
do $$
declare
    found record;
begin
    for found in
        select conrelid::regclass as relation, conname
        from pg_constraint
        where contype = 'c' and conrelid in (
            'integration_connections'::regclass, 'integration_field_mappings'::regclass,
            'integration_sync_logs'::regclass, 'integration_activity'::regclass)
    loop
        execute format('alter table %s drop constraint %I', found.relation, found.conname);
    end loop;
    for found in
        select schemaname, tablename, policyname
        from pg_policies
        where schemaname = 'public' and tablename in (
            'integration_connections', 'integration_field_mappings',
            'integration_sync_logs', 'integration_activity')
    loop
        execute format('drop policy %I on %I.%I', found.policyname, found.schemaname, found.tablename);
    end loop;
    -- One connection per user and type, and contacts unique also among the deleted ones: too strict now.
    for found in
        select i.indexrelid::regclass as index, i.indrelid::regclass as relation, c.conname
        from pg_index i
        left join pg_constraint c on c.conindid = i.indexrelid and c.contype = 'u'
        where i.indisunique and not i.indisprimary and (
            (i.indrelid = 'integration_connections'::regclass
                and pg_get_indexdef(i.indexrelid) ~ '\muser_id\M')
            or (i.indrelid = 'workspace_contacts'::regclass
                and pg_get_indexdef(i.indexrelid) ~ '\memail\M'))
    loop
        if found.conname is not null then
            execute format('alter table %s drop constraint %I', found.relation, found.conname);
        else
            execute format('drop index %s', found.index);
        end if;
    end loop;
end
$$;

-- Triggers of before stay as they are, but the rewriting below is no edit: it must not bump `updated_at`.
alter table workspaces disable trigger user;
alter table workspace_contacts disable trigger user;
alter table integration_connections disable trigger user;
alter table integration_field_mappings disable trigger user;
alter table integration_sync_logs disable trigger user;
alter table integration_activity disable trigger user;

alter table workspaces
    add column if not exists name text,
    add column if not exists slug text,
    add column if not exists owner_id uuid,
    add column if not exists created_at timestamptz not null default now(),
    add column if not exists updated_at timestamptz not null default now(),
    alter column id set default gen_random_uuid();

update workspaces
set slug = trim(both '-' from lower(regexp_replace(coalesce(name, ''), '[^a-zA-Z0-9]+', '-', 'g')))
        || '-' || left(id::text, 8)
where slug is null or slug = '';
update workspaces set slug = trim(both '-' from slug) where slug like '-%';
update workspaces
set name = coalesce(name, slug), created_at = coalesce(created_at, now()), updated_at = coalesce(updated_at, now())
where name is null or created_at is null or updated_at is null;

alter table workspaces
    alter column slug set not null, alter column name set not null,
    alter column created_at set default now(), alter column created_at set not null,
    alter column updated_at set default now(), alter column updated_at set not null;

alter table workspace_contacts
    add column if not exists email text,
    add column if not exists name text,
    add column if not exists company text,
    add column if not exists job_title text,
    add column if not exists phone text,
    add column if not exists tags text[],
    add column if not exists custom_fields jsonb,
    add column if not exists email_opt_out boolean,
    add column if not exists email_opt_out_at timestamptz,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now(),
    add column if not exists version bigint not null default 1,
    add column if not exists deleted_at timestamptz,
    alter column id set default gen_random_uuid(),
    alter column email drop not null,
    alter column name drop not null;

update workspace_contacts
set tags = coalesce(tags, '{}'),
    custom_fields = coalesce(custom_fields, '{}'),
    email_opt_out = coalesce(email_opt_out, false),
    created_at = coalesce(created_at, now()),
    updated_at = coalesce(updated_at, now())
where tags is null or custom_fields is null or email_opt_out is null or created_at is null or updated_at is null;

alter table workspace_contacts
    alter column tags set default '{}', alter column tags set not null,
    alter column custom_fields set default '{}', alter column custom_fields set not null,
    alter column email_opt_out set default false, alter column email_opt_out set not null,
    alter column created_at set default now(), alter column created_at set not null,
    alter column updated_at set default now(), alter column updated_at set not null;

alter table integration_connections
    add column if not exists workspace_id uuid,
    add column if not exists settings jsonb,
    add column if not exists credentials jsonb,
    add column if not exists status text,
    add column if not exists sync_enabled boolean default true,
    add column if not exists last_sync_at timestamptz,
    add column if not exists error_message text,
    add column if not exists error_count integer,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now(),
    add column if not exists sync_frequency_minutes integer,
    add column if not exists oauth_provider text,
    add column if not exists cursor jsonb,
    add column if not exists next_sync_at timestamptz,
    alter column id set default gen_random_uuid();

update integration_connections
set credentials = coalesce(credentials, '{}'),
    settings = coalesce(settings, '{}'),
    status = case
        when status is null then 'active'
        when status in ('active', 'paused', 'error', 'disconnected') then status
        else 'disconnected' end,
    sync_enabled = coalesce(sync_enabled, false),
    error_count = coalesce(error_count, 0),
    sync_frequency_minutes = case when sync_frequency_minutes > 0 then sync_frequency_minutes else 15 end,
    created_at = coalesce(created_at, now()),
    updated_at = coalesce(updated_at, now());

alter table integration_connections
    alter column integration_type type text,
    alter column credentials set default '{}', alter column credentials set not null,
    alter column settings set default '{}', alter column settings set not null,
    alter column status set default 'active', alter column status set not null,
    alter column sync_enabled set default true, alter column sync_enabled set not null,
    alter column error_count set default 0, alter column error_count set not null,
    alter column sync_frequency_minutes set default 15, alter column sync_frequency_minutes set not null,
    alter column created_at set default now(), alter column created_at set not null,
    alter column updated_at set default now(), alter column updated_at set not null;

-- Connections that belonged to a user move into a workspace: the user's only one, else one of their own;
-- where it already has a connection of that type, into a further one ("…-2"), because one is allowed.
create function pg_temp.first_workspace(wanted_user uuid) returns uuid language sql as $$
    select case when count(*) = 1 then min(id::text)::uuid end
    from (
        select id from workspaces where owner_id = wanted_user
        union
        select workspace_id from workspace_members where user_id = wanted_user
    ) as theirs
$$;

create function pg_temp.has_room(wanted_workspace uuid, wanted_type text) returns boolean language sql as $$
    select not exists (
        select from integration_connections
        where workspace_id = wanted_workspace and integration_type = wanted_type)
$$;

create function pg_temp.further_workspace(wanted_user uuid, base_slug text, wanted_type text, number integer)
returns uuid language plpgsql as $$
declare
    place workspaces;
    wanted_slug text;
begin
    loop
        wanted_slug := base_slug || case when number > 1 then '-' || number else '' end;
        select * into place from workspaces where slug = wanted_slug;
        exit when place.id is null;
        if place.owner_id = wanted_user and pg_temp.has_room(place.id, wanted_type) then
            return place.id;
        end if;
        number := number + 1;
    end loop;
    insert into workspaces (name, slug, owner_id)
    values (wanted_slug, wanted_slug, wanted_user) returning * into place;
    insert into workspace_members (workspace_id, user_id, role)
    values (place.id, wanted_user, 'admin') on conflict do nothing;
    return place.id;
end
$$;

do $$
declare
    homeless record;
    known jsonb := '{}';  -- user -> the workspace they had before this migration, or null
    target uuid;
    theirs uuid;
begin
    if not exists (
        select from pg_attribute
        where attrelid = 'integration_connections'::regclass and attname = 'user_id' and not attisdropped
    ) then
        return;
    end if;
    alter table integration_connections alter column user_id drop not null;
    for homeless in
        select distinct user_id from integration_connections where workspace_id is null
    loop
        known := known || jsonb_build_object(
            homeless.user_id::text, pg_temp.first_workspace(homeless.user_id));
    end loop;
    for homeless in
        select id, user_id, integration_type from integration_connections
        where workspace_id is null order by created_at, id
    loop
        theirs := (known ->> homeless.user_id::text)::uuid;
        if theirs is null then
            target := pg_temp.further_workspace(
                homeless.user_id, 'user-' || left(homeless.user_id::text, 8), homeless.integration_type, 1);
        elsif pg_temp.has_room(theirs, homeless.integration_type) then
            target := theirs;
        else
            target := pg_temp.further_workspace(
                homeless.user_id, (select slug from workspaces where id = theirs),
                homeless.integration_type, 2);
        end if;
        update integration_connections set workspace_id = target where id = homeless.id;
    end loop;
end
$$;

alter table integration_connections alter column workspace_id set not null;

-- Removing a person must no longer remove the workspace's connection.
do $$
declare
    found record;
begin
    for found in
        select c.conname, c.confrelid::regclass as target, t.attname as target_column
        from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        join pg_attribute t on t.attrelid = c.confrelid and t.attnum = c.confkey[1]
        where c.contype = 'f' and c.conrelid = 'integration_connections'::regclass and a.attname = 'user_id'
    loop
        execute format('alter table integration_connections drop constraint %I', found.conname);
        execute format(
            'alter table integration_connections add constraint %I foreign key (user_id) '
            'references %s (%I) on delete set null', found.conname, found.target, found.target_column);
        create index if not exists integration_connections_user on integration_connections (user_id);
    end loop;
end
$$;

alter table integration_field_mappings
    add column if not exists transform_rules jsonb,
    add column if not exists sync_direction text,
    add column if not exists enabled boolean default true,
    add column if not exists created_at timestamptz default now(),
    alter column id set default gen_random_uuid();

-- A direction that we do not know is not guessed: the mapping stays, switched off.
update integration_field_mappings
set enabled = case
        when sync_direction is null or sync_direction in ('to_external', 'from_external', 'bidirectional')
        then coalesce(enabled, true) else false end,
    sync_direction = case
        when sync_direction in ('to_external', 'from_external') then sync_direction else 'bidirectional' end,
    transform_rules = coalesce(transform_rules, '{}'),
    created_at = coalesce(created_at, now());

alter table integration_field_mappings
    alter column transform_rules set default '{}', alter column transform_rules set not null,
    alter column sync_direction set default 'bidirectional', alter column sync_direction set not null,
    alter column enabled set default true, alter column enabled set not null,
    alter column created_at set default now(), alter column created_at set not null;

alter table integration_sync_logs
    add column if not exists errors jsonb,
    add column if not exists duration_ms integer,
    add column if not exists completed_at timestamptz,
    add column if not exists workspace_id uuid,
    add column if not exists status text,
    add column if not exists records_deleted integer not null default 0,
    add column if not exists records_unchanged integer not null default 0,
    add column if not exists records_skipped integer not null default 0,
    add column if not exists records_held integer not null default 0,
    add column if not exists records_conflicted integer not null default 0,
    add column if not exists api_calls integer not null default 0,
    add column if not exists dagster_run_id text,
    add column if not exists metadata jsonb,
    add column if not exists run_id uuid,
    alter column id set default gen_random_uuid();

update integration_sync_logs as log
set workspace_id = connection.workspace_id
from integration_connections as connection
where connection.id = log.connection_id and log.workspace_id is null;

-- What a row of before means: a sync that did not complete never will, its process is long gone.
update integration_sync_logs
set records_created = coalesce(records_created, 0),
    records_updated = coalesce(records_updated, 0),
    records_failed = coalesce(records_failed, 0),
    errors = coalesce(errors, '[]'),
    metadata = coalesce(metadata, '{}'),
    started_at = coalesce(started_at, completed_at, now()),
    direction = case
        when direction in ('to_external', 'from_external') then direction else 'bidirectional' end,
    status = case
        when status in ('running', 'success', 'partial', 'failed', 'refused') then status
        when completed_at is null then 'failed'
        when coalesce(records_failed, 0) = 0 and coalesce(errors, '[]') in ('[]', '{}', 'null') then 'success'
        when coalesce(records_created, 0) + coalesce(records_updated, 0) > 0 then 'partial'
        else 'failed' end;

alter table integration_sync_logs
    alter column records_created set default 0, alter column records_created set not null,
    alter column records_updated set default 0, alter column records_updated set not null,
    alter column records_failed set default 0, alter column records_failed set not null,
    alter column errors set default '[]', alter column errors set not null,
    alter column metadata set default '{}', alter column metadata set not null,
    alter column started_at set default now(), alter column started_at set not null,
    alter column status set default 'running', alter column status set not null;

update integration_activity
set records_affected = coalesce(records_affected, 0),
    metadata = coalesce(metadata, '{}'),
    created_at = coalesce(created_at, now())
where records_affected is null or metadata is null or created_at is null;

alter table integration_activity
    alter column id set default gen_random_uuid(),
    alter column records_affected set default 0, alter column records_affected set not null,
    alter column metadata set default '{}', alter column metadata set not null,
    alter column created_at set default now(), alter column created_at set not null;

-- A log row without a connection has no workspace: it is kept, and no workspace sees it.
do $$
begin
    if not exists (select from integration_sync_logs where connection_id is null or workspace_id is null) then
        alter table integration_sync_logs
            alter column connection_id set not null, alter column workspace_id set not null;
    end if;
end
$$;

alter table workspaces enable trigger user;
alter table workspace_contacts enable trigger user;
alter table integration_connections enable trigger user;
alter table integration_field_mappings enable trigger user;
alter table integration_sync_logs enable trigger user;
alter table integration_activity enable trigger user;

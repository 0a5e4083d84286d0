-- Addresses that must not be mailed or subscribed, whatever becomes of the contact: an opt-out outlives its row.
create table suppressions (
    workspace_id uuid not null constraint suppressions_workspace references workspaces (id) on delete cascade,
    identity_key text not null constraint suppressions_key check (identity_key <> ''),
    reason text not null constraint suppressions_reason
        check (reason in ('opted_out', 'bounced', 'complained', 'manual')),
    source text not null default '',
    created_at timestamptz not null default now(),
    primary key (workspace_id, identity_key, reason)
);

-- What the contacts knew so far, deleted ones too.
insert into suppressions (workspace_id, identity_key, reason, source, created_at)
select c.workspace_id, integrations_identity_key(c.email), 'opted_out', 'contact',
    min(coalesce(c.email_opt_out_at, c.updated_at, now()))
from workspace_contacts c
where c.email_opt_out and integrations_identity_key(c.email) <> ''
group by c.workspace_id, integrations_identity_key(c.email);

-- Every opt-out is remembered, whoever writes it: the sync, the command line, an application, SQL by hand. By statement,
-- not by row, so that a load of many contacts costs one look. The rights are the owner's: members may not write here.
create or replace function integrations_remember_opt_outs() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into suppressions (workspace_id, identity_key, reason, source, created_at)
    select w.workspace_id, integrations_identity_key(w.email), 'opted_out',
        coalesce(nullif(current_setting('app.source', true), ''), 'contact'),
        min(coalesce(w.email_opt_out_at, clock_timestamp()))
    from written w
    where w.email_opt_out and integrations_identity_key(w.email) <> ''
        and not exists (select from suppressions s where s.workspace_id = w.workspace_id
            and s.identity_key = integrations_identity_key(w.email) and s.reason = 'opted_out')
    group by w.workspace_id, integrations_identity_key(w.email)
    on conflict do nothing;
    return null;
end
$$;
create or replace trigger integrations_remember_inserted after insert on workspace_contacts
    referencing new table as written for each statement execute function integrations_remember_opt_outs();
create or replace trigger integrations_remember_updated after update on workspace_contacts
    referencing new table as written for each statement execute function integrations_remember_opt_outs();
revoke all on function integrations_remember_opt_outs() from public;

-- The pipeline works for one workspace at a time; members see theirs and change nothing: lifting a suppression needs a
-- reason that stays on record, which the command line asks for.
do $$
declare
    web_role text;
    of_workspace constant text := 'workspace_id = (select integrations_workspace_id())';
begin
    revoke all on suppressions from public;
    for web_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on suppressions from %I', web_role);
    end loop;
    alter table suppressions enable row level security;
    execute format('create policy integrations_pipeline on suppressions to integrations_pipeline '
        'using (%s) with check (%s)', of_workspace, of_workspace);
    execute format('create policy integrations_pipeline_only on suppressions as restrictive to integrations_pipeline '
        'using (%s) with check (%s)', of_workspace, of_workspace);
    create policy integrations_member_reads on suppressions for select to integrations_member
        using (workspace_id = any ((select integrations_workspaces_as('admin', 'member', 'viewer'))::uuid[]));
end
$$;
grant select, insert, update, delete on suppressions to integrations_pipeline;
grant select on suppressions to integrations_member;

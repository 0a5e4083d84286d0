-- When mail to the contact's e-mail bounced for good; another e-mail begins anew.
alter table workspace_contacts add column if not exists email_bounced_at timestamptz;

-- Where the reading of a mailbox goes on; the contacts' own cursor is another.
alter table integration_connections add column if not exists mail_cursor jsonb;

create or replace function integrations_touch_contact() returns trigger language plpgsql as $$
begin
    if new.email is distinct from old.email and new.email_bounced_at is not distinct from old.email_bounced_at then
        new.email_bounced_at := null;
    end if;
    new.updated_at := old.updated_at;
    new.version := old.version;
    if new is distinct from old then
        new.updated_at := clock_timestamp();
        new.version := old.version + 1;
    end if;
    return new;
end
$$;

create index pitch_emails_in_flight on pitch_emails (connection_id, state) where state not in ('sent', 'unsent');
create index pitches_recipient on pitches (workspace_id, integrations_identity_key(to_email));

-- The mail sensor's question across workspaces: who has a pitch whose time has come, and a way to send it?
create or replace function integrations_due_mail("now" timestamptz, max_rows integer)
returns table (workspace_slug text, integration_type text)
language sql stable security definer set search_path = public, pg_temp as $$
    select distinct w.slug, c.integration_type
    from pitches p
    join integration_connections c on c.workspace_id = p.workspace_id and c.integration_type = 'gmail'
    join workspaces w on w.id = p.workspace_id
    where p.status = 'queued' and (p.scheduled_at is null or p.scheduled_at <= integrations_due_mail."now")
        and c.sync_enabled and c.status = 'active'
    limit max_rows
$$;

revoke all on function integrations_due_mail(timestamptz, integer) from public;
grant execute on function integrations_due_mail(timestamptz, integer) to integrations_pipeline;
do $$
declare
    web_role text;
begin
    for web_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on function integrations_due_mail(timestamptz, integer) from %I', web_role);
    end loop;
end
$$;

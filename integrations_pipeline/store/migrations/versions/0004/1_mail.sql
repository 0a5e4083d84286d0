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

-- A pitch that is queued makes its workspace's mailbox due, so that it leaves within minutes and not only when the
-- mailbox would be synced anyway. One that fails keeps its wait. Whoever may queue a pitch may cause this.
create or replace function integrations_wake_mailbox() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update integration_connections c
    set next_sync_at = greatest(coalesce(new.scheduled_at, clock_timestamp()), clock_timestamp())
    where c.workspace_id = new.workspace_id and c.integration_type = 'gmail' and c.error_count = 0
        and c.next_sync_at > greatest(coalesce(new.scheduled_at, clock_timestamp()), clock_timestamp());
    return null;
end
$$;
create or replace trigger integrations_wake_mailbox after insert or update of status, scheduled_at on pitches
    for each row when (new.status = 'queued') execute function integrations_wake_mailbox();

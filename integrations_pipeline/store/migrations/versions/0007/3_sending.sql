-- Whether a person said that this person may get the same text once more.
alter table pitches add column is_repeat boolean not null default false;

-- To whom a pitch goes, as a column: under row-level security an index on the function's value is never used, since the
-- function is not leakproof, and every look at an address read all pitches of the workspace.
alter table pitches add column identity_key text not null generated always as (integrations_identity_key(to_email)) stored;
-- Before a row is written this column of it is still empty, and would look like an edit.
create function integrations_touch_pitch() returns trigger language plpgsql as $$
begin
    new.updated_at := old.updated_at;
    new.identity_key := old.identity_key;
    if new is distinct from old then
        new.updated_at := clock_timestamp();
    end if;
    return new;
end
$$;
create or replace trigger zz_integrations_touch before update on pitches
    for each row execute function integrations_touch_pitch();
drop index pitches_recipient;
create index pitches_identity_key on pitches (workspace_id, identity_key);

-- What went out within a day is counted before each sending, however many went out before. By a plain column: an
-- expression with `coalesce` is not used under row-level security either.
create index pitch_emails_recent on pitch_emails (connection_id, updated_at)
    where state in ('sending', 'sent', 'unknown');
create index pitch_emails_gmail_message on pitch_emails (connection_id, gmail_message_id);
-- Sendings for which there may be a draft too many: next to none.
create index pitch_emails_doubtful on pitch_emails (connection_id) where evidence ? 'doubtful_draft';

-- A row of the ledger belongs to a pitch and a connection of one workspace: that is made sure of when it is written. To
-- read it, its connection is enough; to ask for its pitch, too, read all pitches of the workspace each time.
do $$
declare
    of_connection constant text := 'exists (select from integration_connections c where c.id = connection_id)';
    of_both constant text := of_connection || ' and exists (select from pitches p where p.id = pitch_id)';
begin
    drop policy integrations_pipeline on pitch_emails;
    drop policy integrations_pipeline_only on pitch_emails;
    execute format('create policy integrations_pipeline on pitch_emails to integrations_pipeline '
        'using (%s) with check (%s)', of_connection, of_both);
    execute format('create policy integrations_pipeline_only on pitch_emails as restrictive to integrations_pipeline '
        'using (%s) with check (%s)', of_connection, of_both);
end
$$;

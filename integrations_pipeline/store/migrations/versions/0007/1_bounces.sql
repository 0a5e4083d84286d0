-- Addresses that mail came back from for good were kept twice, on contacts and in the ledger of sendings. From here on
-- `suppressions` alone knows them, whatever becomes of the contact or the pitch.
insert into suppressions (workspace_id, identity_key, reason, source, created_at)
select found.workspace_id, found.identity_key, 'bounced', 'gmail', min(found.at)
from (
    select c.workspace_id, integrations_identity_key(c.email) as identity_key, c.email_bounced_at as at
    from workspace_contacts c
    where c.email_bounced_at is not null
    union all
    select p.workspace_id, integrations_identity_key(p.to_email), coalesce(r.received_at, e.updated_at)
    from pitch_emails e
    join pitches p on p.id = e.pitch_id
    left join pitch_replies r on r.pitch_id = p.id and r.kind = 'bounce'
    where e.evidence ->> 'bounce' = 'hard'
) as found
where found.identity_key <> '' and isfinite(found.at)
group by found.workspace_id, found.identity_key
on conflict do nothing;

create or replace function integrations_touch_contact() returns trigger language plpgsql as $$
begin
    new.updated_at := old.updated_at;
    new.version := old.version;
    if new is distinct from old then
        new.updated_at := clock_timestamp();
        new.version := old.version + 1;
    end if;
    return new;
end
$$;
alter table workspace_contacts drop column email_bounced_at;

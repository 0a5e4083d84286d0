-- No row names a row of another workspace. Foreign keys look past row-level security: one that does not name the
-- workspace accepts a stranger's id, and tells by its answer which ids there are.

-- A contact and a pitch stay where they were made, whoever asks: links, history and mail of theirs stay there, too.
create function integrations_stay() returns trigger language plpgsql as $$
begin
    raise exception 'a row of % stays in its workspace', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
create trigger integrations_stay before update of workspace_id on workspace_contacts for each row
    when (new.workspace_id is distinct from old.workspace_id) execute function integrations_stay();
create trigger integrations_stay before update of workspace_id on pitches for each row
    when (new.workspace_id is distinct from old.workspace_id) execute function integrations_stay();

update pitches p set contact_id = null
where contact_id is not null
    and not exists (select from workspace_contacts c where c.id = p.contact_id and c.workspace_id = p.workspace_id);
update pitches p set in_reply_to_pitch_id = null
where in_reply_to_pitch_id is not null
    and not exists (select from pitches q where q.id = p.in_reply_to_pitch_id and q.workspace_id = p.workspace_id);

alter table pitches
    add constraint pitches_of_workspace unique (id, workspace_id),
    drop constraint pitches_in_reply_to,
    add constraint pitches_in_reply_to foreign key (in_reply_to_pitch_id, workspace_id)
        references pitches (id, workspace_id) on delete set null (in_reply_to_pitch_id);

-- By a trigger: a key over the contacts' workspace would be one more index to write with every contact.
create function integrations_pitch_to_own_contact() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not exists (
        select from workspace_contacts c where c.id = new.contact_id and c.workspace_id = new.workspace_id) then
        raise exception 'the contact of a pitch is one of its workspace'
            using errcode = 'foreign_key_violation', constraint = 'pitches_contact', table = 'pitches';
    end if;
    return new;
end
$$;
create trigger integrations_pitch_to_own_contact before insert or update of contact_id on pitches
    for each row when (new.contact_id is not null) execute function integrations_pitch_to_own_contact();
revoke all on function integrations_pitch_to_own_contact() from public;

-- Not validated: a reply that is there already is history, and stays.
alter table pitch_replies
    drop constraint pitch_replies_pitch,
    add constraint pitch_replies_pitch foreign key (pitch_id, workspace_id)
        references pitches (id, workspace_id) on delete cascade not valid;

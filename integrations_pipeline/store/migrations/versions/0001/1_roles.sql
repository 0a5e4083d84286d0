-- Two roles nobody can log in as. Roles belong to the whole server, so another database may have made them.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['integrations_pipeline', 'integrations_member'] loop
        begin
            if not exists (select from pg_roles where rolname = wanted) then
                execute format('create role %I nologin', wanted);
            end if;
        exception when duplicate_object or unique_violation then
            null;  -- another database of this server made it at this moment
        end;
    end loop;
    -- The migrating user is the one the program connects as: it must be able to SET ROLE.
    if not pg_has_role(current_user, 'integrations_pipeline', 'member') then
        execute format('grant integrations_pipeline to %I', current_user);
    end if;
    -- Supabase's signed-in users are members; their rows are chosen by the policies.
    if exists (select from pg_roles where rolname = 'authenticated')
        and not pg_has_role('authenticated', 'integrations_member', 'member') then
        grant integrations_member to authenticated;
    end if;
end
$$;

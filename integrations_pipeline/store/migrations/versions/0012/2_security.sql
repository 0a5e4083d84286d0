-- Who sees and does what, as for the other tables: the pipeline one workspace at a time, members read theirs.
do $$
declare
    relation text;
    of_workspace constant text := 'workspace_id = (select integrations_workspace_id())';
    member_sees constant text :=
        $p$workspace_id = any ((select integrations_workspaces_as('admin', 'member', 'viewer'))::uuid[])$p$;
begin
    foreach relation in array array['integration_agenda', 'integration_alerts'] loop
        execute format('alter table %I enable row level security', relation);
        execute format(
            'create policy integrations_pipeline on %I to integrations_pipeline using (%s) with check (%s)',
            relation, of_workspace, of_workspace);
        execute format(
            'create policy integrations_pipeline_only on %I as restrictive to integrations_pipeline '
            'using (%s) with check (%s)', relation, of_workspace, of_workspace);
        execute format(
            'create policy integrations_member_reads on %I for select to integrations_member using (%s)',
            relation, member_sees);
        execute format('grant select, insert, update, delete on %I to integrations_pipeline', relation);
        execute format('grant select on %I to integrations_member', relation);
    end loop;
end
$$;

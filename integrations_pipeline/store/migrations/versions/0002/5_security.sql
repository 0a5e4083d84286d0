-- These questions and deeds cross workspaces: only the program itself may ask, never the pipeline's role.
do $$
declare
    signature text;
    web_role text;
begin
    foreach signature in array array[
        'integrations_due_connections(timestamptz, integer, text)', 'integrations_open_runs()',
        'integrations_findings(text, timestamptz)', 'integrations_trim(text, timestamptz, integer)'
    ] loop
        execute format('revoke all on function %s from public', signature);
        for web_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
            execute format('revoke all on function %s from %I', signature, web_role);
        end loop;
    end loop;
end
$$;
-- The scheduler's question is the exception that it was before.
grant execute on function integrations_due_connections(timestamptz, integer, text) to integrations_pipeline;

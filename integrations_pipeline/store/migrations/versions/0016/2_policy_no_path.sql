-- Whose a row of the journal is, is asked of each row that was found: it is no way to find rows. Where Postgres knows
-- little of the table (a first sync, one workspace among many that has most of it) it took the index of workspaces for a
-- short way to ten rows given by id, and walked over all rows of the workspace for each ten that were written.
alter policy integrations_pipeline on integration_changes
    using (not workspace_id is distinct from (select integrations_workspace_id()));
alter policy integrations_pipeline_only on integration_changes
    using (not workspace_id is distinct from (select integrations_workspace_id()));

"""The demonstration: two workspaces, a sandboxed Airtable, a real Postgres, real Dagster runs.

It checks what it shows: it fails if the third run finds anything to do.
"""

from integrations_pipeline.demo.story import run_demo

__all__ = ["run_demo"]

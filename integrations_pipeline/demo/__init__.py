"""The demonstration: sandboxed Airtable, Mailchimp and Gmail, a real Postgres, real Dagster runs.

It checks what it shows: it fails if a last run finds anything to do, if an edit does not arrive everywhere, if an
unsubscribe does not stay, or if a pitch is delivered twice.
"""

from integrations_pipeline.demo.story import run_demo

__all__ = ["run_demo"]

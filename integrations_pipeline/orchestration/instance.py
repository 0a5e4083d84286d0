"""Dagster's own instance, stored in the same Postgres server as the contacts.

Belongs here: writing `dagster.yaml`. Does not: starting Dagster.
"""

from pathlib import Path

#: SQLAlchemy 2.1 takes psycopg 3 for `postgresql://`, with which dagster-postgres cannot NOTIFY; hence the
#: driver is spelled out. Telemetry and the welcome dialog need the internet and are off.
_TEMPLATE = """\
storage:
  postgres:
    postgres_url: "{url}"
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
concurrency:
  runs:
    max_concurrent_runs: 4
  pools:
    granularity: run
    default_limit: 2
run_monitoring:
  enabled: true
  max_runtime_seconds: 7200
run_retries:
  enabled: true
  max_retries: 0
retention:
  schedule:
    purge_after_days: 30
  sensor:
    purge_after_days: {{skipped: 1, failure: 7, success: 30}}
telemetry:
  enabled: false
nux:
  enabled: false
"""


_WORKSPACE = """\
load_from:
  - python_module:
      module_name: integrations_pipeline.definitions
      location_name: integrations_pipeline
"""


def write_instance(folder: Path, database_url: str) -> Path:
    """Make `folder` a DAGSTER_HOME whose storage is this database; returns it. Existing files are replaced.

    `workspace.yaml` beside it names the code location, for an installation without the repository.
    """
    folder.mkdir(parents=True, exist_ok=True)
    url = database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    target = folder / "dagster.yaml"
    target.touch(mode=0o600)
    target.chmod(0o600)  # the address may hold a password
    target.write_text(_TEMPLATE.format(url=url), encoding="utf-8")
    (folder / "workspace.yaml").write_text(_WORKSPACE, encoding="utf-8")
    return folder

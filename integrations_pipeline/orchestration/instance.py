"""Dagster's own instance, stored in the same Postgres server as the contacts.

Belongs here: writing `dagster.yaml`. Does not: starting Dagster.
"""

from pathlib import Path

#: Runs at work at once, and of them with one provider. Each is a process of about 250 MB.
MAX_RUNS, MAX_RUNS_PER_PROVIDER = 4, 2
#: The longest first load of a batch. A run whose process is gone is found within minutes (`lost_runs`); this
#: ends one that hangs.
MAX_RUNTIME_SECONDS = 6 * 3600

#: For the environment of everything that runs Dagster: daemon, web server, `dagster dev`, code servers. Dagster gives
#: the launch of a run 60 seconds to be answered, whatever dagster.yaml says, and a busy machine needs longer. A server
#: that is stopped would wait for its calls as long as that, too.
ENVIRONMENT = {"DAGSTER_GRPC_TIMEOUT_SECONDS": "300", "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "60"}

#: SQLAlchemy 2.1 takes psycopg 3 for `postgresql://`, with which dagster-postgres cannot NOTIFY; hence the
#: driver is spelled out. No retries: a retried run would sync its whole batch again, and the connections' own
#: backoff does that work. Telemetry and the welcome dialog need the internet and are off.
_TEMPLATE = """\
storage:
{storage}
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_use_threads: true
    dequeue_num_workers: 2
concurrency:
  runs:
    max_concurrent_runs: {max_runs}
  pools:
    granularity: run
    default_limit: {max_runs_per_provider}
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  cancel_timeout_seconds: 300
  max_runtime_seconds: {max_runtime_seconds}
  max_resume_run_attempts: 0
run_retries:
  enabled: true
  max_retries: 0
sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 2
backfills:
  use_threads: true
  num_workers: 2
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
_POOLED = """\
  custom:
    module: integrations_pipeline.orchestration.storage
    class: PooledPostgresStorage
    config:
      postgres_url: "{url}"\
"""
_PLAIN = """\
  postgres:
    postgres_url: "{url}"\
"""

_WORKSPACE = """\
load_from:
  - python_module:
      module_name: integrations_pipeline.definitions
      location_name: integrations_pipeline
"""


def write_instance(folder: Path, database_url: str, *, is_pooled: bool = True) -> Path:
    """Make `folder` a DAGSTER_HOME whose storage is this database; returns it. Existing files are replaced.

    `is_pooled` False takes Dagster's own storage class instead of `orchestration.storage`: the same tables,
    at several times the cost. `workspace.yaml` beside it names the code location, for an installation without
    the repository.
    """
    folder.mkdir(parents=True, exist_ok=True)
    url = database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    target = folder / "dagster.yaml"
    target.touch(mode=0o600)
    target.chmod(0o600)  # the address may hold a password
    settings = _TEMPLATE.format(
        storage=(_POOLED if is_pooled else _PLAIN).format(url=url),
        max_runs=MAX_RUNS,
        max_runs_per_provider=MAX_RUNS_PER_PROVIDER,
        max_runtime_seconds=MAX_RUNTIME_SECONDS,
    )
    target.write_text(settings, encoding="utf-8")
    (folder / "workspace.yaml").write_text(_WORKSPACE, encoding="utf-8")
    return folder

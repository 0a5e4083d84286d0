"""The settings of the Celery workers. Found by its name on `PYTHONPATH`, where `dagster_celery.app` looks for it.

Belongs here: how workers take runs from Redis. Does not: where Dagster's storage is (`dagster.yaml`).
"""

import os

broker_url = os.environ["DAGSTER_CELERY_BROKER_URL"]
result_backend = os.environ["DAGSTER_CELERY_BACKEND_URL"]

#: Imported before the worker's processes are forked, so that each run finds it there.
imports = ("integrations_pipeline.definitions",)

#: A process takes one run and no other in advance: none waits behind a long one, or is lost with it.
worker_prefetch_multiplier = 1
#: A run whose worker died comes back from Redis after the visibility timeout. Dagster has ended it long before,
#: and ignores it then. Were the timeout shorter than a run, Redis would give out a run that is at work; Dagster
#: ignores that too, as long as run monitoring is on.
task_acks_late = True
broker_transport_options = {"visibility_timeout": 7 * 3600}
result_backend_transport_options = broker_transport_options
result_expires = 48 * 3600

#: A process is replaced after so many runs, or when it holds so many KB; both only between runs.
worker_max_tasks_per_child = 200
worker_max_memory_per_child = 1_000_000

broker_connection_retry_on_startup = True
worker_cancel_long_running_tasks_on_connection_loss = False
#: What a run prints belongs to the worker's output as it is.
worker_redirect_stdouts = False

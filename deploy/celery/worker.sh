#!/bin/sh
# One worker of this machine. SIGTERM lets it finish its runs and end; restart it after every deploy.
# Arguments go to `celery worker`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "${INTEGRATIONS_PYTHON:-python3}" -m celery --app dagster_celery.app worker \
    --queues dagster \
    --concurrency "${INTEGRATIONS_WORKER_PROCESSES:-2}" \
    --hostname "${INTEGRATIONS_WORKER_NAME:-worker}@%h" \
    --without-gossip --without-mingle \
    --loglevel INFO "$@"

#!/bin/sh
# Whether this machine's worker answers over Redis, also while its processes are at work. Exit code 0 if it does.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "${INTEGRATIONS_PYTHON:-python3}" -m celery --app dagster_celery.app inspect ping --timeout 10 \
    --destination "${INTEGRATIONS_WORKER_NAME:-worker}@$(uname -n)"

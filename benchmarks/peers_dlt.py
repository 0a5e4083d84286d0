"""dlt as its documentation tells: its REST source into Postgres, merged by key; or only what changed since its cursor.

Run by the Python of the peers' environment, as `python -m benchmarks.peers_dlt ACTION PROVIDER ADDRESS DATABASE_URL
FOLDER`; ACTION is `first` or `again` (everything, merged), `cursor` (begins or goes on after the last time of change).
Belongs here: that. Does not: anything of ours, which that environment does not have.
"""

import os
import sys
from typing import Any

# Before its import, which reads them: nothing about a run goes out.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"

import dlt
from dlt.sources.rest_api import rest_api_source


def _airtable() -> dict[str, Any]:
    paginator = {"type": "cursor", "cursor_path": "offset", "cursor_param": "offset"}
    endpoint = {
        "path": "v0/appGenerated/tblGenerated00000",
        "params": {"pageSize": 100},
        "data_selector": "records",
        "paginator": paginator,
    }
    return {"name": "contacts", "primary_key": "id", "write_disposition": "merge", "endpoint": endpoint}


def _mailchimp(*, has_cursor: bool) -> dict[str, Any]:
    paginator = {
        "type": "offset",
        "limit": 1000,
        "limit_param": "count",
        "offset_param": "offset",
        "total_path": "total_items",
    }
    since = {"type": "incremental", "cursor_path": "last_changed", "initial_value": "2000-01-01T00:00:00+00:00"}
    endpoint = {
        "path": "3.0/lists/generated/members",
        "params": {"since_last_changed": since} if has_cursor else {},
        "data_selector": "members",
        "paginator": paginator,
    }
    return {"name": "contacts", "primary_key": "contact_id", "write_disposition": "merge", "endpoint": endpoint}


def main() -> None:
    action, provider, address, database, folder = sys.argv[1:]
    resource = _airtable() if provider == "airtable" else _mailchimp(has_cursor=action == "cursor")
    os.environ["DLT_DATA_DIR"] = folder
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=folder,
        # It asks for a password and a host; the socket's path, named after them, is what counts.
        destination=dlt.destinations.postgres(database.replace("@/", ":none@localhost/")),
        dataset_name="dlt",
    )
    config: Any = {"client": {"base_url": address}, "resources": [resource]}
    pipeline.run(rest_api_source(config)).raise_on_failed_jobs()


if __name__ == "__main__":
    main()

"""Airbyte's connectors by PyAirbyte into Postgres: merged by key where the connector tells one, else replaced.

Run by the Python of the peers' environment, as `python -m benchmarks.peers_airbyte ACTION PROVIDER ADDRESS DATABASE_URL
FOLDER CONNECTORS_PYTHON`; ACTION is `first`, `again` (everything) or `cursor` (after the connector's state). The
connectors name their provider's address in a manifest; `airbyte_source` starts them with ours, in an environment of
their own, as PyAirbyte would install them. Belongs here: that. Does not: anything of ours.
"""

import os
import sys
from pathlib import Path
from typing import Any

# Before its import, which reads them: nothing about a run goes out, and nothing is asked for outside.
os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

# It keeps its logs beside everything else of a run.
os.environ["AIRBYTE_LOGGING_ROOT"] = sys.argv[5]

import airbyte
from airbyte.caches import PostgresCache
from airbyte.secrets.base import SecretString

_CONFIGS: dict[str, dict[str, Any]] = {
    "airtable": {"credentials": {"auth_method": "api_key", "api_key": "patBenchmark"}},
    "mailchimp": {"credentials": {"auth_type": "apikey", "apikey": "key-us1"}, "data_center": "us1"},
}
_STREAMS = {"airtable": "crm/contacts/tblGenerated00000", "mailchimp": "list_members"}
#: Its Airtable streams have no key to merge by.
_STRATEGIES: dict[str, Any] = {"airtable": "replace", "mailchimp": "merge"}


class _Cache(PostgresCache):
    """PyAirbyte makes its address of host and port; the benchmark's Postgres listens on a socket's path."""

    address: str

    def get_sql_alchemy_url(self) -> SecretString:
        return SecretString(self.address)


def _executable(folder: Path, python: str, provider: str, address: str) -> Path:
    """The connector as a command, which is what PyAirbyte starts."""
    script = folder / f"{provider}.sh"
    script.write_text(
        f'#!/bin/sh\ncd "{Path.cwd()}" && exec "{python}" -m benchmarks.airbyte_source {provider} {address} "$@"\n'
    )
    script.chmod(0o755)
    return script


def main() -> None:
    action, provider, address, database, folder, python = sys.argv[1:]
    source = airbyte.get_source(
        f"source-{provider}",
        config=_CONFIGS[provider],
        local_executable=_executable(Path(folder), python, provider, address),
    )
    source.select_streams([_STREAMS[provider]])
    cache = _Cache(
        address=database,
        host="",
        port=0,
        username="",
        password="",
        database="",
        schema_name="airbyte",
        cache_dir=Path(folder),
    )
    source.read(cache=cache, write_strategy=_STRATEGIES[provider], force_full_refresh=action == "again")


if __name__ == "__main__":
    main()

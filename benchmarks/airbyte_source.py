"""One of Airbyte's connectors, pointed at another address: only `url_base` of its manifest is replaced.

Run by the Python of the connectors' environment, as `python -m benchmarks.airbyte_source PROVIDER ADDRESS COMMAND…`.
Belongs here: that. Does not: PyAirbyte, which runs in an environment of its own (`peers_airbyte`).
"""

import importlib
import sys
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource

_VERSIONS = {"airtable": "v0", "mailchimp": "3.0"}


def _pointed(part: Any, base: str) -> Any:
    if isinstance(part, dict):
        return {name: base if name == "url_base" else _pointed(value, base) for name, value in part.items()}
    return [_pointed(each, base) for each in part] if isinstance(part, list) else part


def _source(provider: str, address: str, arguments: list[str]) -> Any:
    read = YamlDeclarativeSource._read_and_parse_yaml_file  # the one place where the manifest is read
    base = f"{address}/{_VERSIONS[provider]}/"
    YamlDeclarativeSource._read_and_parse_yaml_file = lambda self, path: _pointed(read(self, path), base)
    if provider == "airtable":
        return importlib.import_module("source_airtable.run")._get_source(arguments)
    # Its own `run` would first ask Mailchimp which data centre the key belongs to.
    return importlib.import_module("source_mailchimp").SourceMailchimp()


def main() -> None:
    provider, address, *arguments = sys.argv[1:]
    launch(_source(provider, address, arguments), arguments)


if __name__ == "__main__":
    main()

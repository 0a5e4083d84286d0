"""A provider as somebody else would write it: contacts in a JSON file. Imports only what is public to providers.

Belongs here: what a package outside has. Does not: tests (`test_outside`).
"""

import json
from pathlib import Path

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.base import (
    Capabilities,
    ConnectionSettings,
    Provider,
    ProviderContext,
    ProviderSpec,
)
from integrations_pipeline.providers.memory import TOKEN, Book, Entry, MemoryProvider


class NotebookSettings(ConnectionSettings):
    """`path`: the JSON file, a list of contacts by field."""

    path: str


class NotebookProvider(MemoryProvider):
    """One file, read when the provider is built and written when it is closed."""

    def __init__(self, context: ProviderContext) -> None:
        self._file = Path(NotebookSettings.model_validate(dict(context.settings)).path)
        if not self._file.is_file():
            raise ConfigurationError("there is no such notebook: correct path in the connection's settings")
        self._pages = Book()
        for row in json.loads(self._file.read_text(encoding="utf-8")):
            self._pages.entries[row["id"]] = Entry(row["fields"])
        self._pages._made = len(self._pages.entries)
        super().__init__(self._pages, context.mapping, TOKEN)

    def close(self) -> None:
        rows = [{"id": key, "fields": entry.fields} for key, entry in self._pages.entries.items()]
        self._file.write_text(json.dumps(rows), encoding="utf-8")


def build(context: ProviderContext) -> Provider:
    return NotebookProvider(context)


PROVIDER = ProviderSpec(
    name="notebook",
    title="Notebook",
    capabilities=Capabilities(max_batch=5),
    settings_model=NotebookSettings,
    default_mapping={"email": "email", "name": "name"},
    addresses={},
    credential_keys=("token",),
    contacts=build,
)

"""What people hand in for a connection: JSON files with credentials and settings, checked before they are kept."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.base import FixedToken, ProviderContext, ProviderSpec
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.sync.runtime import Runtime, effective_mapping, parse_settings

if TYPE_CHECKING:
    from integrations_pipeline.providers.access import Access

FileOption = typer.Option(help="JSON file, or - for stdin.")
FrequencyOption = Annotated[
    int | None,
    typer.Option(min=1, max=connections.MAX_FREQUENCY_MINUTES, help="How often it is synced; 15 if new."),
]


def known_settings(runtime: Runtime, workspace_id: UUID, provider: str, source: str | None) -> dict[str, Any]:
    """The settings given, else those of the connection there is, so that a token can be renewed alone."""
    if source is not None:
        return read_json(source, "--settings")
    with runtime.database.workspace(workspace_id) as connection:
        row = connections.get_connection(connection, workspace_id, provider)
    return dict(row.settings) if row else {}


def read_json(source: str, option: str) -> dict[str, Any]:
    """A JSON object from a file or stdin; the content is never repeated in an error."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{option}: cannot read {source} ({type(error).__name__})") from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers and depths that Python refuses
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(f"{option}: no JSON in {source}{where}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{option}: expected a JSON object in {source}")
    return document


def valid_credentials(spec: ProviderSpec, document: dict[str, Any]) -> dict[str, Any]:
    """Credentials in a form that can be tried; whether the provider takes them is not asked."""
    if not any(isinstance(document.get(key), str) and document[key] for key in spec.credential_keys):
        expected = " or ".join(f'"{key}"' for key in spec.credential_keys)
        raise ConfigurationError(f"--credentials: {spec.name} needs {expected}")
    for key in (*spec.credential_keys, "refresh_token"):
        value = document.get(key)
        if isinstance(value, str) and not (value.isascii() and value.isprintable() and " " not in value):
            raise ConfigurationError(f'--credentials: "{key}" holds white space or other characters no token has')
    _require_time(document.get("token_expires_at"))
    return document


def _require_time(value: object) -> None:
    try:
        if value is not None:
            datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise ConfigurationError('--credentials: "token_expires_at" is no time as 2026-01-31T12:00:00Z') from None


@contextmanager
def tried_access(
    runtime: Runtime, workspace_id: UUID, new: NewConnection, mapping: Sequence[MappedField] | None = None
) -> Iterator["Access"]:
    """What the connection would give access to with what is handed in, before that is kept. `mapping`: instead of that
    of the settings."""
    from integrations_pipeline.providers.access import open_access  # noqa: PLC0415 - lists do without

    spec = runtime.spec(new.integration_type)
    if mapping is None:
        mapping = effective_mapping(spec, parse_settings(spec, new.settings), ())
    key = next((str(new.credentials[name]) for name in spec.credential_keys if new.credentials.get(name)), "")
    access = open_access(
        spec,
        ProviderContext(
            credentials=new.credentials,
            settings=new.settings,
            mapping=mapping,
            addresses=runtime.addresses,
            pacer=runtime.pacer,
            tokens=FixedToken(value=key),
            workspace_id=str(workspace_id),
            is_read_only=True,
            rate_scale=runtime.rate_scale_of(spec),
            transport=runtime.transport,
            sleep=runtime.sleep,
        ),
    )
    try:
        yield access
    finally:
        access.close()


def valid_settings(spec: ProviderSpec, document: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(document) - set(spec.settings_type.model_fields))
    if unknown:
        known = ", ".join(sorted(spec.settings_type.model_fields))
        raise ConfigurationError(f"--settings: unknown setting {unknown[0]!r}; {spec.name} knows {known}")
    parse_settings(spec, document)
    return document

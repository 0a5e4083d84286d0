"""What of a configuration is to be written: a caller's wish beside what was loaded and what is stored. Pure.

Belongs here: that decision. Does not: writing it (`store.connections.save_state`).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from typing import Any
from uuid import UUID

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import IntegrationConfig
from integrations_pipeline.store.connections import ConnectionRow

_FIELDS = frozenset(signature(IntegrationConfig).parameters)
#: The database's own.
_KEPT = frozenset({"id", "workspace_id", "integration_name", "created_at", "updated_at"})
#: A person's new authorisation is the answer to these.
_WAITING = ("error", "disconnected")


def merged_config(
    config: IntegrationConfig | Mapping[str, Any],
    workspace_id: UUID,
    name: str,
    loaded: IntegrationConfig | None,
) -> IntegrationConfig:
    """The configuration that is meant: a mapping tells some fields of what was loaded. `ConfigurationError` for one of
    another workspace or service, and for what JSON cannot hold."""
    if isinstance(config, Mapping):
        config = _from_mapping(config, workspace_id, name, loaded)
    if not isinstance(config, IntegrationConfig):
        raise ConfigurationError(f"expected an IntegrationConfig or a dict, not {type(config).__name__}")
    if config.integration_name != name:
        raise ConfigurationError(f"the config is for {config.integration_name!r}, this class for {name!r}")
    if config.workspace_id != str(workspace_id):
        raise ConfigurationError("the config is for another workspace")
    for field in ("credentials", "settings"):
        _require_json(field, getattr(config, field))
    return config


def _from_mapping(
    told: Mapping[str, Any], workspace_id: UUID, name: str, loaded: IntegrationConfig | None
) -> IntegrationConfig:
    own = {"workspace_id": str(workspace_id), "integration_name": name}
    unknown = sorted(str(field) for field in told if field not in _FIELDS)
    if unknown:
        raise ConfigurationError(f"the config has fields that none has: {', '.join(unknown)}")
    return replace(loaded, **told) if loaded is not None else IntegrationConfig(**{**own, **told})


def _require_json(field: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{field} is no dict")
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ConfigurationError(f"{field} hold something that JSON has no word for") from None


def changed_fields(wanted: IntegrationConfig, loaded: IntegrationConfig | None, row: ConnectionRow) -> dict[str, Any]:
    """The fields to write: those told that are not as they were loaded; before anything was loaded, all told."""
    values = {name: getattr(wanted, name) for name in wanted.told - _KEPT}
    if loaded is not None:
        values = {name: value for name, value in values.items() if value != getattr(loaded, name)}
    if values.get("enabled", row.sync_enabled) != row.sync_enabled and "status" not in values:
        values |= _switched(row, is_enabled=values["enabled"])
    if "credentials" in values and "status" not in values and row.status in _WAITING:
        values |= {"error_count": 0, "error_message": None, **values}
        values["status"] = "active" if values.get("enabled", row.sync_enabled) else "paused"
    return values


def _switched(row: ConnectionRow, *, is_enabled: bool) -> dict[str, Any]:
    """As `enable` and `disable` leave the status."""
    if is_enabled:
        return {"status": "active", "error_count": 0, "error_message": None}
    return {"status": "paused"} if row.status == "active" else {}

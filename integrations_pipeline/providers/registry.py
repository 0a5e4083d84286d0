"""Finds the providers that are installed, by entry points. Entry points call it and hand the specs down.

A package offers a provider by two lines in its `pyproject.toml`, as this one does for its own:

    [project.entry-points."integrations_pipeline.providers"]
    sheets = "my_package.sheets:PROVIDER"
"""

import logging
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.base import ProviderSpec

GROUP = "integrations_pipeline.providers"
_logger = logging.getLogger(__name__)


@cache
def provider_specs() -> Mapping[str, ProviderSpec]:
    """Every installed provider by its name."""
    return load_specs(entry_points(group=GROUP))


def load_specs(found: Iterable[EntryPoint]) -> Mapping[str, ProviderSpec]:
    """The specs of these entry points by name. One that cannot be loaded is told and left out: the others go on.
    `ConfigurationError` where two packages offer one name, since nobody can tell which one is meant."""
    specs: dict[str, ProviderSpec] = {}
    offered: dict[str, str] = {}
    for each in sorted(found, key=lambda each: each.name):
        spec = _load(each)
        if spec is None:
            continue
        if offered.get(spec.name, each.value) != each.value:
            raise ConfigurationError(
                f"two packages offer a provider {spec.name!r} ({offered[spec.name]} and {each.value}): uninstall one"
            )
        offered[spec.name] = each.value
        specs[spec.name] = spec
    return dict(sorted(specs.items()))


def _load(each: EntryPoint) -> ProviderSpec | None:
    whose = f"provider {each.name!r} of {each.dist.name if each.dist else each.value}"
    try:
        spec = each.load()
    except Exception as error:  # noqa: BLE001 - a module of somebody else's may raise anything
        _logger.warning("%s cannot be loaded (%s) and is left out", whose, type(error).__name__)
        return None
    if not isinstance(spec, ProviderSpec):
        _logger.warning("%s is no ProviderSpec and is left out", whose)
        return None
    return spec

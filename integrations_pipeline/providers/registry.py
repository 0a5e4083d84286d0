"""Finds the providers that are installed. Entry points call it and hand the specs down."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from integrations_pipeline import providers
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.base import ProviderSpec


@cache
def provider_specs() -> Mapping[str, ProviderSpec]:
    """Every provider by its name, from the modules of this package that define `PROVIDER`."""
    modules = (
        importlib.import_module(f"{providers.__name__}.{found.name}")
        for found in pkgutil.iter_modules(providers.__path__)
    )
    specs = [module.PROVIDER for module in modules if hasattr(module, "PROVIDER")]
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.name)}


def provider_spec(name: str) -> ProviderSpec:
    """The provider of this name; an unknown one is a `ConfigurationError` that lists the known."""
    specs = provider_specs()
    if name not in specs:
        raise ConfigurationError(f"unknown provider {name!r}: choose one of {', '.join(specs)}")
    return specs[name]

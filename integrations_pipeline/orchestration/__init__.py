"""Dagster and only Dagster, thin: one module per concept. What a sync does is in `sync`."""

"""Tests of `integrations_pipeline`; the folders mirror the package."""

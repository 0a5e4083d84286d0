"""Fixtures that every test may use."""

from integrations_pipeline_tests.environment import environment, shared_sandbox
from integrations_pipeline_tests.postgres import database, empty_database_url, postgres_server

__all__ = ["database", "empty_database_url", "environment", "postgres_server", "shared_sandbox"]

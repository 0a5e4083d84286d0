"""Fixtures that every test may use, and the counts that every run ends with."""

import pytest

from integrations_pipeline_tests import counts
from integrations_pipeline_tests.environment import environment, shared_sandbox
from integrations_pipeline_tests.postgres import database, empty_database_url, postgres_server

__all__ = ["database", "empty_database_url", "environment", "postgres_server", "shared_sandbox"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = counts.lines()
    if found:
        terminalreporter.section("what happened in the drawn cases")
        for line in found:
            terminalreporter.write_line(line)

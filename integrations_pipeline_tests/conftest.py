"""Fixtures that every test may use, and the counts that every run ends with."""

from collections import Counter
from typing import Any

import pytest

from integrations_pipeline_tests import counts
from integrations_pipeline_tests.environment import environment, shared_sandbox
from integrations_pipeline_tests.postgres import database, empty_database_url, postgres_server

__all__ = ["database", "empty_database_url", "environment", "postgres_server", "shared_sandbox"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its counts to the process that prints them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["counts"] = {title: dict(seen) for title, seen in counts.totals().items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for title, seen in getattr(node, "workeroutput", {}).get("counts", {}).items():
        counts.gather(title, Counter(seen))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = counts.lines()
    if found:
        terminalreporter.section("what happened in the drawn cases")
        for line in found:
            terminalreporter.write_line(line)

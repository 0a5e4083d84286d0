"""Fixtures that every test may use, and the counts that every run ends with."""

import os
from collections import Counter
from typing import Any

import pytest

from integrations_pipeline_tests import counts
from integrations_pipeline_tests.environment import environment, shared_sandbox
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import database, database_url, empty_database_url, postgres_server

__all__ = ["database", "database_url", "empty_database_url", "environment", "postgres_server", "shared_sandbox"]


@pytest.hookimpl(tryfirst=True)  # before pytest-timeout reads it
def pytest_configure(config: pytest.Config) -> None:
    if config.option.timeout is None:
        config.option.timeout = patient(float(config.getini("timeout")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: browsers, daemons and servers are mostly waited for."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is exhaustive is slow, too. Files with slow tests come first: where several processes share the files, none
    is left with a long one alone."""
    for item in items:
        if item.get_closest_marker("exhaustive"):
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if mark := item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(patient(*mark.args)), append=False)


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

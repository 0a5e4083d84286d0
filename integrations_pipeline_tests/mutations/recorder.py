"""A plugin of pytest that records which test covers which line, and how long each test took.

`-p integrations_pipeline_tests.mutations.recorder`, in a copy of the project; under pytest-xdist each worker records
its own part. Coverage starts when the plugin is imported, before the product is, so that lines of modules count too.
Belongs here: recording. Does not: what is made of it (`covering`).
"""

import json
import os
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

#: Where the parts are written; the plugin does nothing without it.
FOLDER = "INTEGRATIONS_MUTATIONS_RECORD"
#: Lines that run while modules are imported and fixtures of the session are made belong to no test.
NO_TEST = ""


class Recorder:
    """One process's part: a coverage file with a context per test, and the seconds of the tests that passed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seconds: dict[str, float] = {}
        self._coverage = coverage.Coverage(data_file=str(folder / f"coverage.{os.getpid()}"), branch=False)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context(NO_TEST)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "passed":
            self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        else:
            self._seconds[report.nodeid] = float("-inf")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        self._coverage.save()
        passed = {test: seconds for test, seconds in self._seconds.items() if seconds >= 0}
        (self._folder / f"seconds.{os.getpid()}.json").write_text(json.dumps(passed))


RECORDER = Recorder(Path(os.environ[FOLDER])) if FOLDER in os.environ else None


def pytest_configure(config: pytest.Config) -> None:
    if RECORDER is not None:
        config.pluginmanager.register(RECORDER, "mutations-recorder")

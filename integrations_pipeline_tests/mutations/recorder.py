"""A plugin of pytest that records which test covers which line, and how much processor time each test took.

`-p integrations_pipeline_tests.mutations.recorder`, in a copy of the project; under pytest-xdist each worker records
its own part. Coverage starts when the plugin is imported, before the product is, so that lines of modules count too.
A part is written out whenever a test module is done: a recording that is stopped goes on after the last of them.
Processor time, since which tests a mutant gets must not depend on how busy the machine was when they were recorded.
Belongs here: recording. Does not: what is made of it (`covering`).
"""

import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

#: Where the parts are written; the plugin does nothing without it.
FOLDER = "INTEGRATIONS_MUTATIONS_RECORD"
PRODUCT = "integrations_pipeline"
#: Lines that run while modules are imported and fixtures of the session are made belong to no test.
NO_TEST = ""


class Recorder:
    """One process's part: a coverage file with a context per test, and by module the seconds of tests that passed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._modules: dict[str, dict[str, float]] = {}
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._coverage = coverage.Coverage(
            data_file=str(folder / f"coverage.{os.getpid()}"), branch=False, source=[PRODUCT]
        )
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        began_at = time.process_time()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.process_time() - began_at
            self._coverage.switch_context(NO_TEST)
            if nextitem is None or module_of(nextitem.nodeid) != module_of(item.nodeid):
                self._end_module(module_of(item.nodeid))

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        self._coverage.save()

    def _end_module(self, module: str) -> None:
        self._coverage.get_data()
        self._modules[module] = {test: took for test, took in self._seconds.items() if test not in self._failed}
        self._seconds = {}
        part = self._folder / f"seconds.{os.getpid()}.json"
        part.with_suffix(".new").write_text(json.dumps(self._modules))
        part.with_suffix(".new").replace(part)


def module_of(test: str) -> str:
    return test.split("::", maxsplit=1)[0]


RECORDER = Recorder(Path(os.environ[FOLDER])) if FOLDER in os.environ else None


def pytest_configure(config: pytest.Config) -> None:
    if RECORDER is not None:
        config.pluginmanager.register(RECORDER, "mutations-recorder")

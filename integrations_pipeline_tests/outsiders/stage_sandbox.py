"""The product's sandbox as a stage, driven by the control calls that its page at `/` lists."""

from collections.abc import Iterator
from contextlib import contextmanager

from integrations_pipeline_tests.outsiders.stage import Stage


class SandboxServer:
    """A sandbox in a process of its own."""

    @classmethod
    @contextmanager
    def open(cls, *, is_needed: bool) -> Iterator["SandboxServer | None"]:
        yield None

    def new_stage(self) -> Stage:
        raise NotImplementedError

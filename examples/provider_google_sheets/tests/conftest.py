"""A sandbox for each test, and the provider on it."""

from collections.abc import Iterator

import pytest

from bench import SheetBench
from google_sheets_sandbox import SheetsSandbox


@pytest.fixture
def sandbox() -> Iterator[SheetsSandbox]:
    with SheetsSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def bench(sandbox: SheetsSandbox) -> SheetBench:
    return SheetBench(sandbox)

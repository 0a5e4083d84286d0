"""Google Sheets keeps what every provider must keep: the suite of integrations-pipeline, unchanged."""

import pytest

from bench import SheetBench
from google_sheets_sandbox import SheetsSandbox
from integrations_pipeline.testing import Bench, Conformance


class TestGoogleSheets(Conformance):
    @pytest.fixture
    def bench(self, sandbox: SheetsSandbox) -> Bench:
        return SheetBench(sandbox)

"""HubSpot keeps the promises of the contract, whether or not it answers batches one by one."""

import pytest

from integrations_pipeline.testing import Bench, Conformance
from integrations_pipeline_tests.providers.hubspot.bench import HubSpotBench


class TestHubSpot(Conformance):
    @pytest.fixture
    def bench(self, bench: HubSpotBench) -> Bench:
        return bench


class TestWithoutMultiStatus(Conformance):
    @pytest.fixture
    def bench(self, bench: HubSpotBench) -> Bench:
        bench.hubspot.set_options(multi_status=False, tells_missing=False)
        return bench

from integrations_pipeline_tests.simulation.conftest import worlds
from integrations_pipeline_tests.sync.conftest import live_sandbox, world

__all__ = ["live_sandbox", "world", "worlds"]

"""What tests of a provider need: the conformance suite, and builders of what a provider is built from.

For third parties, too: `pip install integrations-pipeline[testing]`, then subclass `Conformance` and give it a `Bench`
(docs/add-a-provider.md). Belongs here: what is public to tests. Does not: any test of ours.
"""

import pytest

# Before the suite is imported, so that its failed asserts show their values.
pytest.register_assert_rewrite("integrations_pipeline.testing.conformance")

from integrations_pipeline.testing.bench import Bench, Fields  # noqa: E402
from integrations_pipeline.testing.builders import FreePacer, provider_context  # noqa: E402
from integrations_pipeline.testing.conformance import Conformance  # noqa: E402

__all__ = ["Bench", "Conformance", "Fields", "FreePacer", "provider_context"]

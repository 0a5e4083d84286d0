"""The example's source, for tests that drive it in this process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples/provider_google_sheets/src"))

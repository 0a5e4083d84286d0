"""Python processes that import a copy of the project, and what is said meanwhile."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def environment(copy: Path, further: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONSAFEPATH": "1", **(further or {})}


def python(
    copy: Path, arguments: Sequence[str], further: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run to its end, with what it printed."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=copy, env=environment(copy, further), capture_output=True, text=True, check=False
    )


def tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()

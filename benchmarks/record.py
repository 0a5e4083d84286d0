"""Keeps what was measured, writes it into docs/performance.md, between its markers, and draws the picture beside it.

`python -m benchmarks.record` does the latter again with what the last run kept. Belongs here: the machine, the
versions, the files. Does not: measuring.
"""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import results
from benchmarks.read import CONNECTORS, PEERS

PAGE = Path("docs/performance.md")
PICTURE = Path("docs/performance.svg")
KEPT = Path(".artifacts/benchmarks.json")
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_OURS = ("pyairtable", "mailchimp-marketing", "pandas", "polars", "duckdb", "httpx")
_PEERS = ("dlt", "airbyte")
_CONNECTORS = ("airbyte-source-airtable", "airbyte-source-mailchimp")


def keep(rows: Sequence[results.Row], parts: Sequence[str]) -> None:
    """For `main`: what was measured so far, where and when."""
    KEPT.parent.mkdir(exist_ok=True)
    told = {"machine": machine(), "rows": [row.to_dict() for row in rows], "parts": list(parts)}
    KEPT.write_text(json.dumps(told, indent=1))


def main() -> None:
    """Both files anew. Without the peers' environment there is no picture, and the old one stays."""
    kept = json.loads(KEPT.read_text())
    rows = [results.Row(**row) for row in kept["rows"]]
    tables = [results.markdown(subject, rows) for subject in results.subjects(rows)]
    PAGE.write_text(replaced(PAGE.read_text(), "\n\n".join([kept["machine"], *tables, *kept["parts"]])))
    if PEERS.exists():
        command = [str(PEERS), "-m", "benchmarks.picture", str(PICTURE)]
        subprocess.run(command, input=json.dumps(kept["rows"]), text=True, check=True)  # noqa: S603 - our own module


def replaced(page: str, measured: str) -> str:
    """The page with what stands between the markers replaced."""
    before, _, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{PAGE} has no {_BEGIN} with {_END} after it")
    return f"{before}{_BEGIN}\n\n{measured}\n\n{_END}{after}"


def machine() -> str:
    """Where and when it ran, with the versions that did."""
    found = (
        [f"{name} {version(name)}" for name in _OURS] + _versions(PEERS, _PEERS) + _versions(CONNECTORS, _CONNECTORS)
    )
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {_processor()}, {os.cpu_count()} cores, "
        f"{_memory()} GiB, {platform.system()} {platform.release()}, load {os.getloadavg()[1]:.1f}; "
        f"Python {platform.python_version()}; {', '.join(found)}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _versions(python: Path, names: Sequence[str]) -> list[str]:
    if not python.exists():
        return []
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]), sep='\\n')"
    told = subprocess.run([str(python), "-c", code, *names], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return [f"{name} {found}" for name, found in zip(names, told.stdout.split(), strict=True)]


if __name__ == "__main__":
    main()

"""A report as one HTML page that needs nothing else: no network, no script, no font of its own.

Belongs here: filling in the template `page.html`, which escapes everything. Does not: what the page says (`report`).
"""

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from integrations_pipeline.telling.report import Report

_TEMPLATE = "page.html"


def render(report: Report, made_at: datetime) -> str:
    """The whole document; `made_at` in UTC stands in its last line."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(report=report, made_at=f"{made_at:%Y-%m-%d %H:%M} UTC").lstrip()

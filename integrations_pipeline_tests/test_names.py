"""Whoever adds a provider edits nothing else: no other code knows one by its name."""

import re
from pathlib import Path

import pytest

import integrations_pipeline
from integrations_pipeline.providers.registry import provider_specs

PACKAGE = Path(integrations_pipeline.__file__).parent
OURS = ("airtable", "gmail", "google_contacts", "hubspot", "mailchimp")
#: The demonstration shows ours; each has a folder of its own.
FREE = (PACKAGE / "demo", *(PACKAGE / "providers" / name for name in OURS))
#: Columns whose names are fixed.
COLUMNS = re.compile(r"gmail_(message|thread)_id")
EXCEPTIONS = {
    "__init__.py": "the ready-made classes of the public API",
    "api/ready.py": "the same",
    "cli/contacts.py": "says whose exported files are read",
    "cli/file_headers.py": "knows what programs write into exported files, providers or not",
}


def named_in(path: Path) -> set[str]:
    text = COLUMNS.sub("", path.read_text(encoding="utf-8")).lower()
    return {name for name in OURS if name in text}


def test_these_are_the_providers_that_live_here() -> None:
    assert set(OURS) <= set(provider_specs())


def test_no_provider_is_named_outside_of_its_folder() -> None:
    others = [path for path in PACKAGE.rglob("*.py") if not any(path.is_relative_to(folder) for folder in FREE)]
    named = {str(path.relative_to(PACKAGE)): found for path in others if (found := named_in(path))}
    assert named.keys() == EXCEPTIONS.keys()


@pytest.mark.parametrize("name", OURS)
def test_no_provider_names_another(name: str) -> None:
    named = {each for path in (PACKAGE / "providers" / name).rglob("*.py") for each in named_in(path)}
    assert named <= {name}

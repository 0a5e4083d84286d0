"""The documents name everything that a user can name, and the rules on sizes and docstrings hold.

Belongs here: what can be read off files and definitions without a server. Does not: whether a text is true.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from integrations_pipeline import settings
from integrations_pipeline.cli import app
from integrations_pipeline.cli.output import Exit
from integrations_pipeline.definitions import defs
from integrations_pipeline.model import ChangeState, RunStatus
from integrations_pipeline.orchestration.batch import FULL
from integrations_pipeline.orchestration.partitions import ONLY_DUE
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store.tables import METADATA

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
DOCUMENTS = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
PACKAGES = ("integrations_pipeline", "integrations_sandbox", "integrations_pipeline_tests", "benchmarks")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
LONGEST_README, LONGEST_MODULE, LONGEST_TEST = 150, 400, 600


def commands(group: click.Group, path: str = "") -> Iterator[str]:
    """The full names of all commands, as `db upgrade`."""
    for name, command in group.commands.items():
        full = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, full)  # type: ignore[arg-type]  # typer brings a click of its own
        else:
            yield full


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_test(path: Path) -> bool:
    return path.is_relative_to(ROOT / "integrations_pipeline_tests")


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


VARIABLES = sorted(
    {value for value in vars(settings).values() if isinstance(value, str) and value.startswith("INTEGRATIONS_")}
    | {name for spec in provider_specs().values() for name in spec.addresses}
)
PROVIDER_SETTINGS = [
    (spec.name, name) for spec in provider_specs().values() for name in spec.settings_type.model_fields
]
COMMANDS = sorted(commands(typer.main.get_command(app)))  # type: ignore[arg-type]  # the same
ASSETS = sorted(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys())
DAGSTER_NAMES = sorted(
    [
        *(job.name for job in defs.jobs or ()),
        *(sensor.name for sensor in defs.sensors or ()),
        *(schedule.name for schedule in defs.schedules or ()),
        FULL,
        ONLY_DUE,
    ]
)


def test_there_is_something_to_look_for() -> None:
    assert {"db upgrade", "plan", "holds approve"} <= set(COMMANDS)
    assert {"airtable/plan", "workspace/contacts"} <= set(ASSETS)
    assert {"INTEGRATIONS_HOME", "INTEGRATIONS_AIRTABLE_API_URL"} <= set(VARIABLES)
    assert ("airtable", "base_id") in PROVIDER_SETTINGS
    assert {"airtable_due", "airtable_sync_job", "fleet_health"} <= set(DAGSTER_NAMES)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"(integrations |`){re.escape(command)}\b", DOCUMENTS)


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_environment_variable_is_documented(variable: str) -> None:
    assert f"`{variable}`" in README
    assert f"`{variable}`" in OPERATIONS


@pytest.mark.parametrize("asset", ASSETS)
def test_every_asset_is_documented(asset: str) -> None:
    assert f"`{asset}`" in OPERATIONS


@pytest.mark.parametrize("name", DAGSTER_NAMES)
def test_every_job_sensor_schedule_and_run_tag_is_documented(name: str) -> None:
    assert f"`{name}`" in OPERATIONS


@pytest.mark.parametrize("table", sorted(METADATA.tables))
def test_every_table_is_documented(table: str) -> None:
    assert f"`{table}`" in (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("provider", "setting"), PROVIDER_SETTINGS)
def test_every_setting_of_a_connection_is_documented(provider: str, setting: str) -> None:
    assert f"`{setting}`" in (ROOT / f"docs/providers/{provider}.md").read_text(encoding="utf-8")


def test_every_status_state_and_exit_code_is_documented() -> None:
    assert [status for status in RunStatus if f"| `{status.value}` |" not in OPERATIONS] == []
    assert [state for state in ChangeState if f"`{state.value}`" not in DOCUMENTS] == []
    for page in (README, OPERATIONS):
        assert [code for code in Exit if f"\n| {int(code)} | " not in page] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    targets = [(link, *link.partition("#")[::2]) for link in links]
    broken = [
        link
        for link, path, anchor in targets
        if not (page.parent / path).exists() or (anchor and anchor not in anchors(page.parent / path if path else page))
    ]
    assert broken == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=named)
def test_a_decision_has_its_four_parts_and_is_numbered(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert [part for part in ("Status", "Context", "Decision", "Consequences") if f"**{part}.**" not in text] == []


@pytest.mark.parametrize(
    "link", re.findall(r"`((?:engine|store|sandbox|sync|cli|providers|orchestration)/test_\w+\.py)`", DOCUMENTS)
)
def test_a_test_that_a_document_names_exists(link: str) -> None:
    assert (ROOT / "integrations_pipeline_tests" / link).exists()


def test_a_known_gap_that_is_closed_is_struck_from_the_documents() -> None:
    """A gap in docs/guarantees.md names tests that are expected to fail; whoever mends one deletes its line."""
    section = DOCUMENTS.partition("## Known gaps\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"`(test_\w+)`", section))
    assert told - expected_failures() == set()


def expected_failures() -> set[str]:
    found = set()
    for path in MODULES:
        if path.name.startswith("test_"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            marks = [ast.unparse(node.targets[0]) for node in body if isinstance(node, ast.Assign) and is_xfail(node)]
            functions = [node for node in body if isinstance(node, ast.FunctionDef)]
            found |= {
                function.name
                for function in functions
                for decorator in function.decorator_list
                if is_xfail(decorator) or any(mark in ast.unparse(decorator) for mark in marks)
            }
    return found


def is_xfail(node: ast.AST) -> bool:
    return "mark.xfail" in ast.unparse(node)


def test_no_module_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    too_long = {
        named(path): length
        for path, length in lengths.items()
        if length > (LONGEST_TEST if is_test(path) else LONGEST_MODULE)
    }
    assert too_long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        named(path)
        for path in MODULES
        if not is_test(path) and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []

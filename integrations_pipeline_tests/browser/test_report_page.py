"""The report's page in a real browser: at every width, light, dark and on paper, without a request or an error."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from integrations_pipeline_tests import busy_week
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment

pytestmark = pytest.mark.slow


class Paper:
    """The page as a file in a browser; `requests` beside that for the page itself, `faults` of its console."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.faults.append(message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(file.as_uri())
        self.requests.remove(file.as_uri())

    def overhang(self) -> int:
        """By how much the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def brightness(self, selector: str, property_name: str) -> float:
        """Of a colour, from 0 for black to 1 for white."""
        script = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name].match(/\\d+/g)"
        red, green, blue, *_ = map(int, self.page.evaluate(script, [selector, property_name]))
        return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


@pytest.fixture
def report(environment: Environment, tmp_path: Path) -> Path:
    busy_week.fill(environment)
    file = tmp_path / "week.html"
    assert run("report", "--output", str(file)).code == 0
    return file


@pytest.fixture
def pictures(pytestconfig: pytest.Config) -> Path:
    """`.artifacts/report` beside the package: the page as it looked last, at every width."""
    folder = pytestconfig.rootpath / ".artifacts" / "report"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (390, "light"), (320, "dark")], ids=str)
def paper(request: pytest.FixtureRequest, chromium: Browser, report: Path, pictures: Path) -> Iterator[Paper]:
    width, scheme = request.param
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    found = Paper(context.new_page(), report)
    yield found
    found.page.screenshot(path=pictures / f"{width}-{scheme}.png", full_page=True)
    context.close()


def test_the_page_fits_every_width_and_asks_for_nothing(paper: Paper) -> None:
    page = paper.page
    assert page.get_by_role("heading", level=1).inner_text() == "Integrations report, 3 workspaces"
    assert paper.overhang() <= 0
    assert (paper.requests, paper.faults) == ([], [])
    bars = page.locator("rect.updated")
    assert bars.count() > 20
    assert {box["width"] > 3 for box in (bars.nth(n).bounding_box() for n in range(8)) if box} == {True}
    headings = page.get_by_role("heading", level=2).all_inner_texts()
    assert headings == [
        "Contacts moved",
        "Failures and their causes",
        "What waits, and who decided",
        "Conflicts",
        "From an edit to the other side",
        "E-mails",
        "Connections",
    ]


def test_no_text_is_cut_and_no_texts_lie_on_one_another(paper: Paper) -> None:
    cut = paper.page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, p, td, th, .tile b, .tile span')]"
        ".filter(each => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline')"
        ".map(each => each.textContent)"
    )
    assert cut == []
    crowded = paper.page.evaluate(
        "[...document.querySelectorAll('.days')].map(days => [...days.children].map(each => {"
        "const range = document.createRange(); range.selectNodeContents(each); return [range.getBoundingClientRect(),"
        " getComputedStyle(each).visibility]}).filter(each => each[1] === 'visible').map(each => each[0]))"
        ".filter(boxes => boxes.some((box, n) => n > 0 && box.left < boxes[n - 1].right)).length"
    )
    assert crowded == 0


def test_it_follows_the_readers_wish_for_light_or_dark_and_is_light_on_paper(
    chromium: Browser, report: Path, pictures: Path
) -> None:
    for scheme, media, is_light in (("light", "screen", True), ("dark", "screen", False), ("dark", "print", True)):
        context = chromium.new_context(color_scheme=scheme, viewport={"width": 794, "height": 1123})  # type: ignore[arg-type]
        page = context.new_page()
        page.emulate_media(media=media, color_scheme=scheme)  # type: ignore[arg-type]
        paper = Paper(page, report)
        assert (paper.brightness("section", "backgroundColor") > 0.5) is is_light
        assert (paper.brightness("h1", "color") < 0.5) is is_light
        assert paper.overhang() <= 0
        page.screenshot(path=pictures / f"{media}-{scheme}.png", full_page=True)
        context.close()


def test_it_prints_on_few_pages(chromium: Browser, report: Path) -> None:
    page = chromium.new_page()
    page.goto(report.as_uri())
    assert 1 <= page.pdf(format="A4").count(b"/Type /Page\n") <= 5
    page.close()

"""What a person does and sees in the Dagster UI, in words of the product.

Dagster's production build has no test ids, so elements are found by role and text. Belongs here: everything
that knows how the UI looks. Does not: what ought to be seen (the tests).
"""

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Route, WebSocket, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from integrations_pipeline_tests.patience import patient

#: A page is there in 3 to 5 seconds; a machine with other work takes several times as long.
PAGE_MS = patient(60_000)
PICTURES_MS = 1_500
LOCATION = "integrations_pipeline"
LOOPBACK = ("127.0.0.1", "localhost")
#: Opened from the page itself, without any host.
LOCAL_SCHEMES = ("data", "blob", "about")


class Screen:
    """One browser tab on the UI.

    `foreign`: addresses outside of loopback that it asked for. `faults`: errors in its console and its scripts.
    """

    def __init__(self, context: BrowserContext, url: str, folder: Path) -> None:
        self.foreign: list[str] = []
        self.faults: list[str] = []
        self.requests = 0
        self._url = url
        self._folder = folder
        self._shots = 0
        context.set_default_timeout(PAGE_MS)
        context.route("**/*", self._let_pass_or_abort)
        self.page: Page = context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("websocket", self._note_socket)

    def open(self, path: str, awaited: str | re.Pattern[str]) -> None:
        """Go to a page and wait for a text that is on it once its data are there."""
        self.page.goto(self._url + path)
        self.see(awaited)

    def open_lineage(self, group: str) -> None:
        self.open(f"/locations/{LOCATION}/asset-groups/{group}", re.compile("filled"))

    def see(self, text: str | re.Pattern[str]) -> None:
        """Wait until it is there. A plain text may be part of a longer one."""
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=PAGE_MS)

    def text(self) -> str:
        """All that can be read on the page."""
        return self.page.locator("body").inner_text()

    def press(self, label: str) -> None:
        """A button, by the end of its name: names begin with those of icons."""
        self.page.get_by_role("button", name=re.compile(f"{label}$")).click()

    def keep(self, name: str) -> None:
        """A screenshot among the artefacts."""
        self._shots += 1
        with suppress(PlaywrightTimeout):  # the page's pictures come last; it may go on polling for ever
            self.page.wait_for_load_state("networkidle", timeout=PICTURES_MS)
        self.page.screenshot(path=self._folder / f"{self._shots:02}-{name}.png", animations="disabled")

    def node(self, name: str) -> Locator:
        """An asset's box in the lineage."""
        box = self.page.locator("foreignObject").filter(has=self.page.get_by_text(name, exact=True))
        return box.filter(has_text="Partitions").first

    def row(self, key: str) -> Locator:
        """A row of a table of metadata."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_text(key, exact=True)).first

    def choose(self, *, choice: str = "", partition: str = "", chosen: str) -> Locator:
        """Open the dialog of “Materialize all” and choose partitions by a button or by name.

        `chosen` is what the dialog must then say that it took, such as `10 partitions`. Returns the dialog.
        """
        self.page.get_by_role("button", name=re.compile("Materialize all")).click()
        dialog = self.page.get_by_role("dialog")
        if choice:
            dialog.get_by_role("button", name=choice, exact=True).click()
        if partition:
            dialog.get_by_text("Select a partition or create one").click()
            self.page.get_by_text(partition, exact=True).first.click()
            self.page.keyboard.press("Escape")
        expect(dialog.get_by_text(chosen, exact=True)).to_be_visible(timeout=PAGE_MS)
        return dialog

    def confirm(self, dialog: Locator, label: str) -> str:
        """Press the dialog's launch button, which must be labelled so; returns the id of the run or backfill."""
        dialog.get_by_role("button", name=label, exact=True).click()
        return self.launched()

    def launched(self) -> str:
        """The id in the message that something was launched; of a run's, only the beginning."""
        toast = self.page.get_by_text(re.compile(r"^(Created backfill|Launched run)")).first
        expect(toast).to_be_visible(timeout=PAGE_MS)
        found = re.search(r"(?:Created backfill|Launched run)\s+(\S+)", toast.inner_text())
        assert found, toast.inner_text()
        return found[1]

    def has_dialog(self) -> bool:
        return self.page.get_by_role("dialog").count() > 0

    def _let_pass_or_abort(self, route: Route) -> None:
        self.requests += 1
        if self._is_local(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _note_socket(self, found: WebSocket) -> None:
        self._is_local(found.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def _is_local(self, url: str) -> bool:
        parts = urlsplit(url)
        is_local = parts.scheme in LOCAL_SCHEMES or parts.hostname in LOOPBACK
        if not is_local:
            self.foreign.append(url)
        return is_local

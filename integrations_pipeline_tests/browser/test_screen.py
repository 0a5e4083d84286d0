"""The browser tests' own guard: that a request which leaves this machine would be seen."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from integrations_pipeline_tests.browser.screen import Screen
from integrations_pipeline_tests.browser.server import wait_for

#: The two hosts are the ones that are reserved for examples, the address is one for documents.
PAGE = """
<img src="https://example.org/pixel.png">
<script>new WebSocket("ws://example.net/live"); fetch("http://192.0.2.1/count").catch(() => 0)</script>
"""


@pytest.mark.slow
def test_what_leads_outside_of_loopback_is_aborted_and_noted(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context()
    screen = Screen(context, "http://127.0.0.1", tmp_path)

    screen.page.set_content(PAGE)
    wait_for(lambda: screen.page.evaluate("1") and len(screen.foreign) == 3, "three requests", 30)
    context.close()

    assert sorted(screen.foreign) == [
        "http://192.0.2.1/count",
        "https://example.org/pixel.png",
        "ws://example.net/live",
    ]
    assert screen.faults, "the browser told of what it could not load"

"""The sandbox speaks as Google does: Google's own client, which nobody here wrote, works on it."""

import json
from pathlib import Path
from typing import Any

import pytest

from google_sheets_sandbox import SheetsSandbox
from google_sheets_sandbox.server import DEFAULT_TOKEN

discovery = pytest.importorskip("googleapiclient.discovery")
errors = pytest.importorskip("googleapiclient.errors")
credentials = pytest.importorskip("google.oauth2.credentials")


@pytest.fixture
def sheets(sandbox: SheetsSandbox) -> Any:
    described = Path(discovery.__file__).parent / "discovery_cache/documents/sheets.v4.json"
    document = json.loads(described.read_text(encoding="utf-8"))
    document |= {"rootUrl": sandbox.url + "/", "baseUrl": sandbox.url + "/"}
    document.pop("mtlsRootUrl", None)
    sandbox.create_sheet("book1", "Our People", [["Email", "Name"], ["a@x.org"]])
    built = discovery.build_from_document(document, credentials=credentials.Credentials(DEFAULT_TOKEN))
    yield built.spreadsheets()
    built.close()


def test_cells_are_read_and_written(sheets: Any) -> None:
    data = [{"range": "'Our People'!B2", "values": [["=1+1"]]}]
    sheets.values().batchUpdate(spreadsheetId="book1", body={"valueInputOption": "RAW", "data": data}).execute()
    for ask in (
        sheets.values().get(spreadsheetId="book1", range="'Our People'"),
        sheets.values().batchGet(spreadsheetId="book1", ranges=["'Our People'"]),
    ):
        told = ask.execute()
        told = told.get("valueRanges", [told])[0]
        assert told["values"] == [["Email", "Name"], ["a@x.org", "=1+1"]]


def test_rows_are_appended_and_deleted(sheets: Any, sandbox: SheetsSandbox) -> None:
    row = {"values": [{"userEnteredValue": {"stringValue": "b@x.org"}}, {}]}
    requests = [
        {"appendCells": {"sheetId": 0, "rows": [row], "fields": "userEnteredValue"}},
        {"deleteDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 2}}},
    ]
    sheets.batchUpdate(spreadsheetId="book1", body={"requests": requests}).execute()
    assert sandbox.state.worksheet("book1", "Our People").rows == [["Email", "Name"], ["b@x.org"]]
    told = sheets.get(spreadsheetId="book1", fields="sheets.properties(title)").execute()
    assert [each["properties"]["title"] for each in told["sheets"]] == ["Our People"]


def test_a_request_of_which_one_part_is_wrong_changes_nothing(sheets: Any, sandbox: SheetsSandbox) -> None:
    data = [{"range": "'Our People'!A2", "values": [["changed"]]}, {"range": "'Our People'!A9999", "values": [["far"]]}]
    body = {"valueInputOption": "RAW", "data": data}
    with pytest.raises(errors.HttpError) as caught:
        sheets.values().batchUpdate(spreadsheetId="book1", body=body).execute()
    assert caught.value.status_code == 400
    assert sandbox.state.worksheet("book1", "Our People").rows[1] == ["a@x.org"]

"""What the answers of Google Sheets look like, by endpoint: `providers.shapes` compares them where they enter.

Belongs here: shapes. Does not: what they mean. Source: the API's discovery document, revision 20261019.
"""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic reads those of typing from Python 3.12 on

from integrations_pipeline.providers.bounds import Bounds
from integrations_pipeline.providers.shapes import Name, Shape

#: A sheet is read in one answer, since only that shows it at one moment. 10 million cells are the most it may have;
#: Google stops at 180 seconds.
WHOLE = Bounds(size_bytes=256 * 1024 * 1024, pause_seconds=190.0, whole_seconds=240.0)


class Values(TypedDict):
    """`values` is left out where every cell is empty."""

    range: str
    majorDimension: str
    values: NotRequired[list[list[str | int | float | bool]]]


class GridProperties(TypedDict):
    rowCount: int
    columnCount: int


class Properties(TypedDict):
    """`sheetId` is left out where it is 0."""

    title: Name
    sheetId: NotRequired[int]
    gridProperties: NotRequired[GridProperties]


class Sheet(TypedDict):
    properties: Properties


class Spreadsheet(TypedDict):
    sheets: list[Sheet]


class Written(TypedDict):
    spreadsheetId: str


VALUES = Shape(title="the cells of a sheet", kind=Values, bounds=WHOLE)
SPREADSHEET = Shape(title="a spreadsheet", kind=Spreadsheet)
WRITTEN = Shape(title="a write", kind=Written)
ANY = Shape(title="a write of nothing", kind=Any)

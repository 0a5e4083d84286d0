"""Gmail's listings end, whatever tokens they give."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from integrations_pipeline.errors import WrongAnswerError
from integrations_pipeline.providers.gmail.client import pages


def test_every_page_comes_once_and_the_last_one_ends_it() -> None:
    told: dict[str, Mapping[str, Any]] = {"": {"nextPageToken": "a"}, "a": {"nextPageToken": "b", "n": 2}, "b": {"n": 3}}
    assert list(pages(told.__getitem__)) == [told[""], told["a"], told["b"]]


@pytest.mark.parametrize("told", [{"": "a", "a": "a"}, {"": "a", "a": "b", "b": "a"}])
def test_a_listing_that_leads_back_is_no_answer(told: Mapping[str, str]) -> None:
    asked = count()
    read = []
    with pytest.raises(WrongAnswerError, match="leads back"):
        for page in pages(lambda token: {"nextPageToken": told[token], "n": next(asked)}):
            read.append(page["n"])
            assert len(read) < 10
    assert read == list(range(len(told)))

"""Gmail's listings end, whatever tokens they give."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import pytest

from integrations_pipeline.errors import WrongAnswerError
from integrations_pipeline.providers.gmail.client import pages


def test_every_page_comes_once_and_the_last_one_ends_it() -> None:
    told: dict[str, Mapping[str, Any]] = {"": {"nextPageToken": "a"}, "a": {"nextPageToken": "b"}, "b": {"n": 3}}
    assert list(pages(told.__getitem__)) == [told[""], told["a"], told["b"]]


@pytest.mark.parametrize("told", [{"": "a", "a": "a"}, {"": "a", "a": "b", "b": "a"}])
def test_a_listing_that_leads_back_is_no_answer(told: Mapping[str, str]) -> None:
    asked: list[str] = []

    def ask(token: str) -> Mapping[str, Any]:
        asked.append(token)
        return {"nextPageToken": told[token]}

    with pytest.raises(WrongAnswerError, match="leads back"):
        list(islice(pages(ask), 10))
    assert asked == list(told)

"""What a pair is known to agree on, and up to which version of the contact."""

import pytest

from integrations_pipeline.engine.merge import PairMerge
from integrations_pipeline.engine.pairs import Pair, _agreement

SAME = {"company": "Acme"}


@pytest.mark.parametrize(
    ("version", "is_settled", "expected"),
    [(7, True, 7), (7, False, -1), (None, True, -1)],
    ids=["nothing is left to sync", "something is left to sync", "no version is known"],
)
def test_a_version_is_agreed_only_if_nothing_of_it_is_left_to_sync(
    version: int | None, is_settled: bool, expected: int
) -> None:
    pair = Pair(contact_id="c", external_id="r", base={}, local=SAME, remote=SAME, version=version, agreed_version=6)
    found = _agreement(pair, PairMerge(agreed=SAME), is_settled=is_settled)
    assert found is not None
    assert (found.version, found.agreed) == (expected, SAME)


def test_a_pair_about_which_nothing_is_new_has_no_agreement() -> None:
    pair = Pair(contact_id="c", external_id="r", base={}, local=SAME, remote=SAME, version=6, agreed_version=6)
    assert _agreement(pair, PairMerge(), is_settled=True) is None

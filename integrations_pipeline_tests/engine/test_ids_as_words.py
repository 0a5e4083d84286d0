"""When ids are compared as whole words of their bytes, and when not: only the time shows it."""

from integrations_pipeline.engine.frames import _positions_of_ids, arrow


def test_ids_of_one_length_are_compared_as_whole_words_and_others_are_not() -> None:
    """The result is the same; a million of them as texts take many times as long."""
    ids, short = arrow(["0123456789", "abcdefghij"]), arrow(["0123", "abcd"])
    found = _positions_of_ids(ids, arrow(["abcdefghij", "x" * 10]))
    assert found is not None
    assert found.tolist() == [-1, 0]
    assert _positions_of_ids(short, short) is None
    assert _positions_of_ids(ids, short) is None
    assert _positions_of_ids(short, ids) is None
    assert _positions_of_ids(ids, arrow(["0123456789ab"])) is None

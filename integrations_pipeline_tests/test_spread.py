"""What is run of a spread has every value, and every pair as long as a third value can meet it."""

from itertools import combinations, product

from integrations_pipeline_tests.spread import spread

AXES = (("a", "b", "c", "d"), (1, 2, 3), (True, False))


def chosen(one_of: int) -> list[tuple[object, ...]]:
    params = spread("one, two, three", *AXES, one_of=one_of).args[1]
    assert len(params) == 4 * 3 * 2
    return [each.values for each in params if not each.marks]


def test_one_of_so_many_is_run_and_each_value_is_among_them() -> None:
    found = chosen(2)
    assert len(found) == 12
    for place, axis in enumerate(AXES):
        assert {values[place] for values in found} == set(axis)


def test_each_pair_is_run_that_another_axis_has_values_for() -> None:
    found = chosen(2)
    for one, other in combinations(range(3), 2):
        assert {(values[one], values[other]) for values in found} == set(product(AXES[one], AXES[other]))

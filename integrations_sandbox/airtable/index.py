"""Finding records by the values of their merge fields without looking at every record.

Belongs here: the indexes of one table and their upkeep. Does not belong here: what a match leads to.
"""

from typing import Any, Protocol

Key = tuple[Any, ...]


class Indexed(Protocol):
    """What an index needs to know of a record."""

    id: str
    cells: dict[str, Any]


class KeyIndexes:
    """One index per combination of fields that was ever asked for; it is built on the first question.

    Whoever changes a record's cells calls `leave` before and `enter` after; `forget` drops all indexes.
    """

    def __init__(self) -> None:
        self._by_fields: dict[tuple[str, ...], dict[Key, dict[str, None]]] = {}

    def find(self, records: dict[str, Any], field_ids: tuple[str, ...], key: Key) -> list[str]:
        """The ids of the records that hold these values, in the order in which they got them."""
        if field_ids not in self._by_fields:
            self._by_fields[field_ids] = {}
            for record in records.values():
                self._put(field_ids, record)
        return list(self._by_fields[field_ids].get(key, ()))

    def enter(self, record: Indexed) -> None:
        for field_ids in self._by_fields:
            self._put(field_ids, record)

    def leave(self, record: Indexed) -> None:
        for field_ids, index in self._by_fields.items():
            index.get(key_of(record.cells, field_ids), {}).pop(record.id, None)

    def forget(self) -> None:
        self._by_fields.clear()

    def _put(self, field_ids: tuple[str, ...], record: Indexed) -> None:
        key = key_of(record.cells, field_ids)
        self._by_fields[field_ids].setdefault(key, {})[record.id] = None


def key_of(cells: dict[str, Any], field_ids: tuple[str, ...]) -> Key:
    values = (cells.get(each) for each in field_ids)
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)

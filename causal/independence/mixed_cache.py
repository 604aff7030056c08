"""A cache that holds no more than some bytes: a search asks for thousands of regressions."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

CACHE_BYTES = 3e8
T = TypeVar("T")


class ByteCache(Generic[T]):
    """Values by key up to a number of bytes; the oldest go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[T, float]] = OrderedDict()
        self._bytes = 0.0

    def get(self, key: object) -> T | None:
        """Return the value of a key, None where it is not kept."""
        found = self._kept.get(key)
        return None if found is None else found[0]

    def put(self, key: object, value: T, size: float) -> None:
        """Keep a value of `size` bytes."""
        self._kept[key] = (value, size)
        self._bytes += size
        while self._bytes > CACHE_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1][1]

"""An array that grows: versions of an index share one buffer, and appending copies it only when it is full."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


class _Buffer:
    __slots__ = ("array", "used")

    def __init__(self, array: NDArray[Any], used: int = 0) -> None:
        self.array = array
        self.used = used  # rows written; a version that ends here may write on


class Growing:
    """The first `size` rows of a buffer that later versions write behind. What a version shows never changes."""

    __slots__ = ("buffer", "size", "values")

    def __init__(self, dtype: DTypeLike, width: int | None = None, *, over: tuple[_Buffer, int] | None = None) -> None:
        shape = (0,) if width is None else (0, width)
        self.buffer, self.size = over or (_Buffer(np.empty(shape, dtype)), 0)
        self.values: NDArray[Any] = self.buffer.array[: self.size]

    def append(self, rows: NDArray[Any]) -> "Growing":
        """A new version with `rows` behind the old ones: in the same buffer, if there is room and nobody was first."""
        size, buffer = self.size + len(rows), self.buffer
        if buffer.used != self.size or size > len(buffer.array):
            room = size if self.size == 0 else max(size, self.size + (self.size >> 1))
            buffer = _Buffer(np.empty((room, *buffer.array.shape[1:]), buffer.array.dtype))
            buffer.array[: self.size] = self.values
        buffer.array[self.size : size] = rows
        buffer.used = size
        return Growing(buffer.array.dtype, over=(buffer, size))

    def replaced(self, positions: NDArray[Any], rows: ArrayLike) -> "Growing":
        """A new version with other values at `positions`, on a buffer of its own."""
        buffer = _Buffer(self.values.copy(), self.size)
        buffer.array[positions] = rows
        return Growing(buffer.array.dtype, over=(buffer, self.size))

    @property
    def bytes(self) -> int:
        return self.buffer.array.nbytes

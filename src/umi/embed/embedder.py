"""What turns texts into vectors, and the one way to ask it: bounded in time, and not believed before it is checked."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from umi import limits
from umi.dst import Host
from umi.errors import InvalidInput, ModelError, UmiError

if TYPE_CHECKING:  # numpy is imported by the first vector
    import numpy as np


class Embedder(Protocol):
    """name        stored with each vector: two embedders whose vectors can't be compared must have two names
    dimensions  of every vector
    """

    @property
    def name(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    async def embed(self, texts: Sequence[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """A row of length one for each text, in their order. Raises UmiError."""
        ...


async def embedded(
    embedder: Embedder, texts: Sequence[str], host: Host, *, timeout_ms: int = limits.EMBED_TIMEOUT_MS
) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Ask `embedder` and check its answer: finite rows of its dimensions, as many as texts, made unit length.

    Raises ModelError: "timeout" if it takes longer than `timeout_ms`, "invalid_response" for an answer that can't be
    right, "server_error" for an exception that isn't ours. What it raises of ours passes through.
    """
    import numpy as np

    if not texts:
        return np.zeros((0, embedder.dimensions), np.float32)
    try:
        async with host.clock.timeout(timeout_ms):
            answer = await embedder.embed(texts)
    except UmiError:
        raise
    except TimeoutError:
        raise ModelError("timeout", f"the embedder {embedder.name} gave no answer within {timeout_ms:,} ms") from None
    except Exception as error:  # somebody else's code; its own error stays attached
        raise ModelError("server_error", f"the embedder {embedder.name} failed: {error!r}") from error
    return checked(embedder, answer, len(texts))


def checked(embedder: Embedder, answer: Any, count: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Raises ModelError("invalid_response") unless `answer` is `count` vectors of the embedder's dimensions."""
    import numpy as np

    wrong = f"the embedder {embedder.name} answered "
    try:
        rows = np.asarray(answer, np.float64)  # so that the squares of large numbers stay finite
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError("invalid_response", f"{wrong}what is no table of numbers: {error}") from None
    if rows.ndim != 2 or rows.shape[0] != count:
        raise ModelError("invalid_response", f"{wrong}an array of shape {rows.shape} to {count} texts")
    if rows.shape[1] != embedder.dimensions:
        what = f"vectors of {rows.shape[1]} dimensions instead of {embedder.dimensions}"
        raise ModelError("invalid_response", wrong + what)
    if not np.isfinite(rows).all():
        raise ModelError("invalid_response", f"{wrong}a vector that holds NaN or infinity")
    rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ModelError("invalid_response", f"{wrong}a vector of nothing but zeros")
    unit: np.ndarray[Any, np.dtype[np.float32]] = (rows / lengths).astype(np.float32)
    return unit


def check_name(name: str) -> str:
    """Raises InvalidInput for what can't be an embedder's name: 1 to EMBEDDER_NAME_BYTES_MAX printable bytes."""
    if not name or not name.isprintable() or len(name.encode()) > limits.EMBEDDER_NAME_BYTES_MAX:
        raise InvalidInput(
            f"an embedder's name is 1 to {limits.EMBEDDER_NAME_BYTES_MAX} printable bytes, not {name[:40]!r}"
        )
    return name


def check_dimensions(dimensions: int) -> int:
    """Raises InvalidInput for what can't be a number of dimensions."""
    if not 1 <= dimensions <= limits.EMBEDDER_DIMENSIONS_MAX:
        raise InvalidInput(f"an embedder has 1 to {limits.EMBEDDER_DIMENSIONS_MAX:,} dimensions, not {dimensions}")
    return dimensions


def default_folder() -> str:
    """Where this user's embedders are kept unless somebody says otherwise."""
    return os.path.join(os.path.expanduser("~"), ".cache", "umi", "embedders")

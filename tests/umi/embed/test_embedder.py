"""An embedder's answer is bounded in time and not believed before it is checked."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from umi import limits
from umi.dst import Host
from umi.embed.embedder import check_dimensions, check_name, checked, embedded
from umi.embed.hashed import HashEmbedder
from umi.errors import InvalidInput, ModelError, NotFound

EMBEDDER = HashEmbedder(4)


class Answering:
    name, dimensions = "answering", 4

    def __init__(self, answer):
        self._answer = answer

    async def embed(self, texts):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def test_an_answer_comes_back_as_unit_rows_of_32_bit_numbers(host):
    rows = await embedded(Answering([[3, 4, 0, 0], [0, 0, 0, 1e300]]), ["a", "b"], host)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[np.float32(0.6), np.float32(0.8), 0, 0], [0, 0, 0, 1]]


async def test_no_texts_are_no_question(host):
    rows = await embedded(Answering(AssertionError("it was asked")), [], host)
    assert rows.shape == (0, 4)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (np.ones((2, 4)), r"an array of shape \(2, 4\) to 1 texts"),
        (np.ones((0, 4)), r"an array of shape \(0, 4\) to 1 texts"),
        (np.ones(4), r"an array of shape \(4,\) to 1 texts"),
        (np.ones((1, 5)), "vectors of 5 dimensions instead of 4"),
        ([[1, 2, float("nan"), 0]], "a vector that holds NaN or infinity"),
        ([[1, 2, float("-inf"), 0]], "a vector that holds NaN or infinity"),
        ([[0, 0, 0, 0]], "a vector of nothing but zeros"),
        ([["one", 0, 0, 0]], "what is no table of numbers"),
        ([[1, 2], [3]], "what is no table of numbers"),
        (None, r"an array of shape \(\) to 1 texts"),
    ],
)
async def test_a_lie_is_an_invalid_response(host, answer, says):
    with pytest.raises(ModelError, match=f"the embedder answering answered {says}") as raised:
        await embedded(Answering(answer), ["a"], host)
    assert raised.value.model_error_kind == "invalid_response"


async def test_an_embedders_own_exception_is_a_server_error_that_names_it(host):
    with pytest.raises(ModelError, match=r"the embedder answering failed: ZeroDivisionError\('oh'\)") as raised:
        await embedded(Answering(ZeroDivisionError("oh")), ["a"], host)
    assert raised.value.model_error_kind == "server_error"
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


async def test_our_own_errors_pass_through(host):
    with pytest.raises(NotFound, match="no files"):
        await embedded(Answering(NotFound("no files")), ["a"], host)


async def test_an_embedder_that_hangs_times_out(host):
    class Hanging(Answering):
        async def embed(self, texts):
            await asyncio.Event().wait()

    with pytest.raises(ModelError, match="the embedder answering gave no answer within 5 ms") as raised:
        await embedded(Hanging(None), ["a"], host, timeout_ms=5)
    assert raised.value.model_error_kind == "timeout"


async def test_a_cancelled_caller_cancels_the_embedder():
    host, entered, cancelled = Host(), asyncio.Event(), asyncio.Event()

    class Slow(Answering):
        async def embed(self, texts):
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

    task = host.spawn(embedded(Slow(None), ["a"], host), "ask")
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


@given(arrays.arrays(np.float64, (3, 4), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_whatever_the_numbers_are_either_they_become_unit_rows_or_they_are_refused(rows):
    if np.isfinite(rows).all() and rows.any(axis=1).all():
        unit = checked(EMBEDDER, rows, 3)
        assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
        assert (np.sign(unit) * np.sign(rows) >= 0).all()
    else:
        with pytest.raises(ModelError, match="answered a vector"):
            checked(EMBEDDER, rows, 3)


@pytest.mark.parametrize("name", ["", "a\nb", "é" * 65, "a\x00"])
def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(InvalidInput, match="an embedder's name is 1 to 128 printable bytes"):
        check_name(name)


def test_bounds_of_names_and_dimensions():
    assert check_name("é" * 64) == "é" * 64
    assert check_name("a" * limits.EMBEDDER_NAME_BYTES_MAX)
    assert check_dimensions(1) == 1
    assert check_dimensions(limits.EMBEDDER_DIMENSIONS_MAX) == limits.EMBEDDER_DIMENSIONS_MAX
    for wrong in (0, -1, limits.EMBEDDER_DIMENSIONS_MAX + 1):
        with pytest.raises(InvalidInput, match="an embedder has 1 to 8,192 dimensions"):
            check_dimensions(wrong)

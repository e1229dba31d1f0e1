"""HashEmbedder gives the same vectors everywhere, from the words alone."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.embed import HashEmbedder, embedded
from umi.errors import InvalidInput

SHOW = """
import asyncio
from umi.embed import HashEmbedder
rows = asyncio.run(HashEmbedder(16).embed(["Ada's cat is called Miso.", ""]))
print(rows.tobytes().hex())
"""


def test_vectors_are_the_same_in_every_process():
    shown = {
        subprocess.run(
            [sys.executable, "-c", SHOW],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(shown) == 1


async def test_texts_that_share_words_are_near_each_other(host):
    texts = ["Ada's cat is called Miso", "the CAT, called Miso", "trains to Graz run late"]
    same, near, far = (await embedded(HashEmbedder(256), texts, host)) @ (
        await embedded(HashEmbedder(256), texts[:1], host)
    ).T
    assert same[0] == pytest.approx(1)
    assert near[0] > 0.4
    assert abs(far[0]) < 0.2


@given(st.integers(1, 40), st.lists(st.text(), max_size=5))
async def test_any_text_has_a_unit_vector_of_any_dimensions(dimensions, texts):
    rows = await HashEmbedder(dimensions).embed(texts)
    assert rows.shape == (len(texts), dimensions)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_its_name_says_its_dimensions():
    assert HashEmbedder(16).name == "hash-16"
    assert HashEmbedder(16, name="other").name == "other"
    with pytest.raises(InvalidInput):
        HashEmbedder(0)

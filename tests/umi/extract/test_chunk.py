"""Cutting long texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.errors import InvalidInput
from umi.extract import chunks
from umi.extract.chunk import cut, fitting


def pieces(text, bytes_max):
    return [text[start:end] for start, end in chunks(text, bytes_max)]


@given(st.text(alphabet="ab .\n!?ü界🙂", max_size=300), st.integers(4, 64))
def test_the_pieces_are_the_text_and_fit(text, bytes_max):
    found = chunks(text, bytes_max)
    assert "".join(text[start:end] for start, end in found) == text
    assert all(start < end for start, end in found)
    assert all(len(text[start:end].encode()) <= bytes_max for start, end in found)


def test_a_paragraph_is_the_best_border():
    assert pieces("One two. Three four.\n\nFive six. Seven.", 30) == ["One two. Three four.\n\n", "Five six. Seven."]


def test_a_sentence_is_the_next_best_border():
    assert pieces("One two three. Four five six seven.", 24) == ["One two three. ", "Four five six seven."]


def test_a_word_is_cut_only_where_nothing_else_is_left():
    assert pieces("one two three", 10) == ["one two ", "three"]
    assert pieces("abcdefghij", 4) == ["abcd", "efgh", "ij"]


@pytest.mark.parametrize("character", ["a", "ü", "界", "🙂"])
def test_a_text_of_exactly_the_bytes_is_one_piece(character):
    size = len(character.encode())
    assert len(chunks(character * 8, 8 * size)) == 1
    assert len(chunks(character * 8, 8 * size - 1 if size < 4 else 31)) == 2


def test_too_few_bytes_for_a_character_are_refused():
    assert pieces("🙂🙂", 4) == ["🙂", "🙂"]
    with pytest.raises(InvalidInput, match="3 bytes"):
        chunks("text", 3)


@given(st.text(max_size=60), st.integers(0, 80))
def test_a_cut_is_the_longest_beginning_that_fits(text, bytes_max):
    kept = cut(text, bytes_max)
    assert text.startswith(kept)
    assert len(kept.encode(errors="surrogatepass")) <= bytes_max
    more = text[: len(kept) + 1]
    assert kept == text or len(more.encode(errors="surrogatepass")) > bytes_max
    assert fitting(text, bytes_max) == len(kept)

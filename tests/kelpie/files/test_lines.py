"""Windows on a text: numbered lines, no more than may be shown, and what is left out is said."""

from hypothesis import given
from hypothesis import strategies as st

from kelpie.files import limits
from kelpie.files.lines import lines_of, window

TEXT = "".join(f"line {number}\n" for number in range(1, 101))


def test_a_whole_text_is_shown_with_numbers():
    seen = window("a\nb\n", 0, None, 1_000)
    assert seen.text == "[start of the file]\n1: a\n2: b\n[end of the file]"
    assert (seen.first, seen.last, seen.total) == (1, 2, 2)


def test_a_range_says_what_is_around_it():
    assert window(TEXT, 9, 2, 1_000).text == (
        "[9 lines before]\n10: line 10\n11: line 11\n[89 lines after; open it with offset 11]"
    )


def test_no_more_is_shown_than_may_be():
    seen = window(TEXT, 0, None, 30)
    assert seen.text == "[start of the file]\n1: line 1\n2: line 2\n3: line 3\n[97 lines after; open it with offset 3]"
    assert (
        window("x" * 50, 0, None, 10).text
        == "[no line is shown: the file has 1 lines, and 10 characters are shown at most]"
    )
    assert window("", 0, None, 10).text == "[the file is empty]"
    assert window(TEXT, 500, None, 10).total == 100


@given(st.text(alphabet="ab \n", max_size=5_000))
def test_lines_hold_all_of_the_text_and_none_is_too_long(text):
    lines = lines_of(text)
    assert "".join(lines) == text.replace("\n", "")
    assert all(len(line) <= limits.FILE_LINE_CHARS_MAX for line in lines)


@given(st.integers(0, 200), st.integers(1, 200) | st.none(), st.integers(1, 3_000))
def test_a_window_keeps_its_bounds(start, length, chars_max):
    seen = window(TEXT, start, length, chars_max)
    shown = [line for line in seen.text.split("\n") if not line.startswith("[")]
    assert sum(len(line) + 1 for line in shown) <= chars_max
    assert len(shown) == seen.last - seen.first + 1 <= (100 if length is None else length)
    assert shown == [f"{number}: line {number}" for number in range(seen.first, seen.last + 1)]

"""JSON as models write it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.extract.repair import repaired

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=4) | st.lists(VALUES, max_size=4)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Sure! Here it is: {"a": [1, 2,], } Anything else?', {"a": [1, 2]}),
        ('{"a": "}{][,}", "b": 2,}', {"a": "}{][,}", "b": 2}),
        ('{"a": "say \\"hi\\"",}', {"a": 'say "hi"'}),
        ('[{"n": 1}, {"n": 2}, {"n": 3', [{"n": 1}, {"n": 2}]),
        ('{"t": [{"e": [{"n": 1}, {"n": "cut o', {"t": [{"e": [{"n": 1}]}]}),
        ("no json at all", None),
        ("", None),
        ("}", None),
        ("{", None),
        ("[1, 2", None),  # no value in it was complete
        ('{"a": nonsense}', None),
    ],
)
def test_what_is_whole_is_kept(answer, wanted):
    assert repaired(answer) == wanted


@given(OBJECTS, st.sampled_from(["", "```json\n", "Here you are: "]), st.sampled_from(["", "\n```", " Bye {"]))
def test_json_that_needs_no_repair_is_itself(value, before, after):
    assert repaired(before + json.dumps(value) + after) == value


@given(OBJECTS, st.data())
def test_an_answer_cut_anywhere_raises_nothing(value, data):
    written = json.dumps(value)
    repaired(written[: data.draw(st.integers(0, len(written)))])


@given(st.text(alphabet='{}[]",:\\a1 \n', max_size=60))
def test_any_text_raises_nothing(text):
    repaired(text)


def test_a_deep_answer_raises_nothing():
    assert repaired("[" * 20_000) is None
    assert repaired("[" * 20_000 + "]" * 20_000) is None

"""Detection: secrets are found whole and in place, and what people write every day is left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.umi.hygiene.texts import LEGITIMATE, NOT_PERSONAL, PERSONAL, SECRET, key

from umi.hygiene import KINDS, SECRETS, find


def found(text):
    return [(one.kind, text[one.start : one.end]) for one in find(text)]


@pytest.mark.parametrize(("text", "kind", "value"), SECRET, ids=[case[0][:40] for case in SECRET])
def test_a_secret_is_found_whole_and_nothing_else(text, kind, value):
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize("text", LEGITIMATE)
def test_what_people_write_every_day_is_no_secret(text):
    assert found(text) == []


@pytest.mark.parametrize(("text", "kind", "value"), PERSONAL, ids=[case[2] for case in PERSONAL])
def test_personal_data_is_found_whole_and_nothing_else(text, kind, value):
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_what_only_looks_like_personal_data_is_left_alone(text):
    assert found(text) == []


def test_every_kind_is_tried_above():
    assert {case[1] for case in SECRET} == SECRETS
    assert {case[1] for case in [*SECRET, *PERSONAL]} == KINDS
    assert len(SECRET) >= 40
    assert len(LEGITIMATE) >= 40


@pytest.mark.parametrize("around", ["{}", "ä {} ä", "\n{}\n", "“{}”", "see: {}.", "ẞİ {}"])
@pytest.mark.parametrize(("text", "kind", "value"), SECRET[::5], ids=[case[0][:40] for case in SECRET[::5]])
def test_where_it_stands_makes_no_difference(text, kind, value, around):
    if "{}" in around and text.startswith("{") and around != "{}":
        around = "{}"
    assert (kind, value) in found(around.replace("{}", text))


def test_several_in_one_text_are_found_in_order():
    text = f"Ada's password is hunter2, her key sk-{key(40)}, mail ada@example.com, card 4111 1111 1111 1111."
    kinds = [one.kind for one in find(text)]
    assert kinds == ["password", "openai_key", "email", "card"]


def test_a_key_that_is_called_a_password_is_found_once():
    text = f"password: ghp_{key(36)}"
    assert found(text) == [("github_token", f"ghp_{key(36)}")]


PIECES = st.sampled_from(
    [*(case[0] for case in SECRET), *(case[0] for case in PERSONAL), *LEGITIMATE, "\n", " ", '"', "password is ", "é"]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=6).map("".join), st.lists(PIECES, max_size=6).map(" ".join)))
@settings(max_examples=300, deadline=None)
def test_findings_lie_in_the_text_in_order_and_apart(text):
    at = 0
    for one in find(text):
        assert one.kind in KINDS
        assert at <= one.start < one.end <= len(text)
        at = one.end


HOSTILE = [
    "1",
    "1-",
    "1 ",
    "a@",
    "a.@",
    "password is ",
    "password for ",
    "-----BEGIN PRIVATE KEY-----",
    "sk-",
    "eyJ",
    "a://",
]


@pytest.mark.parametrize("piece", [*HOSTILE, "DE89", "aB3", "+1", 'pwd "', "AB12 ", "(", "secret key "])
def test_a_hostile_text_of_a_hundred_kilobytes_is_searched_to_its_end(piece):
    """A pattern that backtracks would take hours here."""
    text = (piece * (100_000 // len(piece) + 1))[:100_000] + " and mail ada@example.com"
    assert "ada@example.com" in text[text.rindex(" ") :]
    assert all(one.kind in KINDS for one in find(text))

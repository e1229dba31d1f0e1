"""The policy: what is redacted, what is marked, what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.umi.hygiene.texts import LEGITIMATE, PERSONAL, SECRET

from umi.errors import InvalidInput
from umi.hygiene import DEFAULT, KINDS, SECRETS, apply, find, marks


@pytest.mark.parametrize(("text", "kind", "value"), SECRET, ids=[case[0][:40] for case in SECRET])
def test_by_default_no_secret_stays(text, kind, value):
    stored, findings = apply(text)
    assert value not in stored
    assert f"[redacted {kind}]" in stored
    assert marks(findings)["secrets"] == [kind]


@pytest.mark.parametrize(("text", "kind", "value"), PERSONAL, ids=[case[2] for case in PERSONAL])
def test_by_default_how_to_reach_a_person_stays_and_is_marked(text, kind, value):
    stored, findings = apply(text)
    assert (value in stored) is (kind not in ("card", "ssn"))
    assert marks(findings) == {"personal": [kind]}


@pytest.mark.parametrize("text", LEGITIMATE)
def test_what_holds_nothing_is_stored_as_it_is(text):
    assert apply(text) == (text, [])
    assert marks([]) == {}


def test_what_is_around_a_secret_stays():
    assert apply("Bob's password is hunter2, mail bob@example.com!")[0] == (
        "Bob's password is [redacted password], mail bob@example.com!"
    )


def test_the_caller_decides_by_kind():
    text = "password: qwertz123, mail bob@example.com"
    assert apply(text, {"password": "allow"})[0] == text
    assert apply(text, {"email": "redact"})[0] == "password: [redacted password], mail [redacted email]"
    with pytest.raises(InvalidInput, match=r"email, characters 26 to 41"):
        apply(text, {"email": "refuse"})


def test_a_refusal_does_not_repeat_the_secret():
    with pytest.raises(InvalidInput) as caught:
        apply("password: qwertz123", dict.fromkeys(SECRETS, "refuse"))
    assert "qwertz" not in str(caught.value)


@pytest.mark.parametrize(("policy", "says"), [({"passwords": "allow"}, "no kind"), ({"password": "drop"}, "must be")])
def test_what_is_no_policy_is_refused(policy, says):
    with pytest.raises(InvalidInput, match=says):
        apply("x", policy)


def test_the_default_says_something_of_every_kind():
    assert set(DEFAULT) == KINDS


PIECES = st.sampled_from([*(case[0] for case in SECRET), *(case[0] for case in PERSONAL), *LEGITIMATE, "\n", "é"])


@given(st.lists(PIECES, max_size=5).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_what_was_redacted_holds_no_secret_any_more(text):
    stored, _ = apply(text)
    assert [one for one in find(stored) if one.kind in SECRETS] == []
    assert apply(stored)[0] == stored

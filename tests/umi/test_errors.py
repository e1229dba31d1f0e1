"""The tree of errors: what its docstring promises, each class keeps."""

import inspect
import re

import pytest

import kelpie.errors
import umi.errors
from umi.errors import CallerError, EnvironmentFault, InternalError, LimitExceeded, ModelError, StoreInUse, UmiError


def classes(module):
    found = inspect.getmembers(module, inspect.isclass)
    return [c for _, c in found if issubclass(c, UmiError) and c.__module__ == module.__name__]


ALL = [*classes(umi.errors), *classes(kelpie.errors)]


@pytest.mark.parametrize("error", ALL, ids=lambda e: e.__name__)
def test_every_error_says_whose_fault_it_is(error):
    roots = [root for root in (CallerError, EnvironmentFault, InternalError) if issubclass(error, root)]
    assert error is UmiError or len(roots) == 1


@pytest.mark.parametrize("error", ALL, ids=lambda e: e.__name__)
def test_the_status_fits_the_fault(error):
    status = error.http_status
    assert 400 <= status < 600
    if issubclass(error, CallerError):
        # 501: this machine can't do what was asked, and asking differently would help. 503: what it needs is away.
        assert status < 500 or status in (501, 503)
    else:
        assert status >= 500


@pytest.mark.parametrize("module", [umi.errors, kelpie.errors], ids=lambda m: m.__name__)
def test_the_docstring_draws_the_tree_as_it_is(module):
    """Every class of the module stands in the drawing under its parent."""
    drawn, parents = {}, []
    for line in module.__doc__.splitlines():
        match = re.match(r"^([\s│├└─]*)([A-Z]\w+)(\s{2,}|$)", line)
        if match:
            depth = len(match[1])
            parents = [(d, name) for d, name in parents if d < depth]
            drawn[match[2]] = parents[-1][1] if parents else None
            parents.append((depth, match[2]))
    for error in classes(module):
        assert error.__name__ in drawn
        if drawn[error.__name__] is not None:
            assert error.__base__.__name__ == drawn[error.__name__]


def test_kelpie_hands_on_every_error_of_its_own():
    assert {error.__name__ for error in classes(kelpie.errors)} <= set(kelpie.errors.__all__)


@pytest.mark.parametrize("error", ALL, ids=lambda e: e.__name__)
def test_every_kind_is_its_own_snake_case_word(error):
    kinds = {other.kind.fget(other.__new__(other)): other for other in ALL}
    kind = error.kind.fget(error.__new__(error))
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind)
    assert kinds[kind] is error


def test_a_limit_names_what_how_much_and_how_much_is_allowed():
    error = LimitExceeded("the fact's text", 100_001, 100_000, "bytes")
    assert str(error) == "the fact's text is 100,001 bytes; at most 100,000 are allowed"


@pytest.mark.parametrize(("pid", "who"), [(4711, "process 4711"), (None, "another process")])
def test_a_store_in_use_names_its_holder(pid, who):
    assert f"in use by {who}" in str(StoreInUse("/data/kelpie.db", pid))


@pytest.mark.parametrize(
    ("kind", "status", "worth_retrying"),
    [
        ("timeout", 504, True),
        ("connection", 502, True),
        ("rate_limit", 429, True),
        ("authentication", 401, False),
        ("insufficient_credits", 402, False),
        ("bad_request", 400, False),
        ("context_overflow", 400, False),
        ("overloaded", 502, True),
        ("server_error", 502, True),
        ("invalid_response", 502, False),
        ("unknown_model", 400, False),
    ],
)
def test_a_model_error_says_what_our_api_answers_and_whether_to_try_again(kind, status, worth_retrying):
    error = ModelError(kind, "no")
    assert (error.status, error.worth_retrying) == (status, worth_retrying)


def test_every_kind_of_model_error_is_tested_above():
    marks = test_a_model_error_says_what_our_api_answers_and_whether_to_try_again.pytestmark
    assert {case[0] for case in marks[0].args[1]} == set(umi.errors.ModelErrorKind.__args__)

"""Formulas: read as arithmetic between metrics, and never run as anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import Metric, SemanticModel


def model(**texts):
    """Metrics by name; a text is a formula, None a flow."""
    made = [
        Metric(name=name, label=name, kind="formula", formula=text)
        if text
        else Metric(name=name, label=name, kind="flow", entity="e", expr="COUNT(*)")
        for name, text in texts.items()
    ]
    return SemanticModel(name="m", label="m", entities=[], metrics=made)


def bases(of, name):
    return [base.name for base in formulas.bases(of, of.metric(name))]


def test_a_formula_comes_down_to_its_metrics_in_order_and_once():
    made = model(a=None, b=None, c=None, inner="b - c", outer="(inner + a) / b")
    assert bases(made, "outer") == ["b", "c", "a"] or bases(made, "outer") == ["a", "b", "c"]
    assert bases(made, "a") == ["a"]
    assert formulas.terms(made, made.metric("outer")) == 4
    assert formulas.names("2 * a / (b + a)") == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "a.b", "a[0]", "a if b else a", "lambda: a", "a and b", "a < b", "a ** b", "a // b",
        "a % b",
        "~a", "not a", "'a'", "1j", "True", "a @ b", "[a]", "(a, b)", "a := b", "f'{a}'", "a\nb", "", "None", "a b",
    ],
)  # fmt: skip
def test_what_is_not_arithmetic_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        formulas.parse(text)


@given(st.text(alphabet="ab1 +-*/()._[]'\"=:,", max_size=30))
def test_any_text_is_arithmetic_or_refused(text):
    try:
        found = formulas.names(text)
    except ValueError:
        return
    assert set("".join(found)) <= set("ab1_")


def test_a_formula_that_grows_without_end_is_refused_at_once():
    levels = {f"m{n}": f"m{n + 1} + m{n + 1}" for n in range(60)}
    made = model(**levels, m60=None)
    with pytest.raises(ValueError, match="comes down to"):
        formulas.terms(made, made.metric("m0"))


def test_a_circle_is_named():
    made = model(a="b + 1", b="c", c="a")
    with pytest.raises(ValueError, match="a -> b -> c -> a"):
        formulas.terms(made, made.metric("a"))

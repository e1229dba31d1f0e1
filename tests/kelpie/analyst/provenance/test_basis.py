"""What a query stands on is written down when it is asked: definitions, computed columns, for whom, which rules."""

from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst.metric_query import metric_query
from kelpie.analyst.provenance.basis import basis_of, formula_text, model_version
from kelpie.analyst.semantic.reading import read_model
from kelpie.demo.company import semantic_model_yaml
from kelpie.people import NOBODY, Speaker

COMPANY = read_model(semantic_model_yaml())


def test_a_metric_s_definition_is_one_line():
    assert formula_text(COMPANY, COMPANY.metric("mrr")) == (
        "SUM(subscription.monthly_amount) where NOT subscription.is_trial, of the rows that hold at the period's end:"
        " subscription.started_on is past and subscription.ended_on is later or null"
    )
    revenue = formula_text(COMPANY, COMPANY.metric("invoiced_revenue"))
    assert revenue == "SUM(invoice.amount) where invoice.status <> 'void'"


def test_a_formula_comes_with_what_it_is_made_of():
    text = formula_text(COMPANY, COMPANY.metric("arpa"))
    assert text.startswith("mrr / customers; mrr = SUM(subscription.monthly_amount)")
    assert "customers = COUNT(DISTINCT subscription.customer_id)" in text


async def test_computed_columns_say_how(flights):
    loaded = await flights.analyst.load(flights.view, TENANT, flights.record.id)
    query = metric_query(
        {"metrics": ["flights"], "dimensions": ["origin"], "grain": "month", "share": ["origin"],
         "compare": {"with": "previous_year"}}
    )  # fmt: skip
    basis = basis_of(loaded, Speaker("person-1", "Ada", ("finance",)), query, notes=["a note"], verified="board")
    assert {name: column.kind for name, column in basis.columns.items()} == {
        "flights": "flow", "flights_before": "computed", "flights_change": "computed", "flights_growth": "computed",
        "flights_share": "computed",
    }  # fmt: skip
    assert basis.columns["flights_before"].formula == "flights, a year earlier"
    assert basis.columns["flights_share"].formula == "flights / flights of all values of origin"
    assert (basis.person, basis.name, basis.teams) == ("person-1", "Ada", ["finance"])
    assert (basis.notes, basis.verified, basis.engine) == (["a note"], "board", "duckdb")
    assert basis.model_version == model_version(flights.record.yaml)
    assert basis_of(loaded, NOBODY).columns == {}


def test_another_text_is_another_version():
    assert model_version("a") != model_version("a ")
    assert len(model_version("a")) == 64

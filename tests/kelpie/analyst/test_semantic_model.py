"""Reading a semantic model and checking it against its data: every mistake is refused with the line it is on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.conftest import TENANT
from tests.kelpie.analyst.warehouses import COFFEE_YAML

from kelpie.analyst import limits
from kelpie.analyst.semantic.reading import read_model
from kelpie.demo.warehouse import semantic_model_yaml
from kelpie.errors import InvalidModel, LimitExceeded

FLIGHTS_YAML = semantic_model_yaml()


def line_of(text, part):
    """The line, from 1, on which `part` is."""
    return text[: text.index(part)].count("\n") + 1


def swapped(old, new, text=COFFEE_YAML):
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    return text.replace(old, new)


@pytest.mark.parametrize("text", [COFFEE_YAML, FLIGHTS_YAML], ids=["coffee", "flights"])
def test_a_good_model_is_read_and_every_part_knows_its_line(text):
    model = read_model(text)
    parts = [*model.entities, *model.joins, *model.dimensions, *model.metrics, *model.periods, *model.refusals]
    assert len(parts) > 10
    lines = text.splitlines()
    for part in parts:
        assert part.line >= 1
        assert lines[part.line - 1].lstrip().startswith("- "), part
    for metric in model.metrics:
        assert f"name: {metric.name}" in lines[metric.line - 1]


# What is changed in the coffee model, and what the refusal must say; the line is where the change is.
MISTAKES = {
    "an unknown field": ("    label: drink\n", "    label: drink\n    colour: red\n", "colour: red", "colour"),
    "an unknown kind": (
        "    kind: ratio\n    entity: sale\n    numerator: SUM(sale.paid)",
        "    kind: median\n    entity: sale\n    numerator: SUM(sale.paid)",
        "kind: median",
        "median",
    ),
    "a missing field": ("    plural: drinks\n", "", "- name: drink\n", "plural"),
    "a wrong type": ("background: [edinburgh, sold]", "background: 3", "background: 3", "array"),
    "a key given twice": ("    label: turnover\n", "    label: turnover\n    label: sales\n", "label: sales", "twice"),
    "a name with a blank": ("- name: drink\n", "- name: a drink\n", "- name: a drink", "a drink"),
    "a name of a grain": ("- name: drink\n", "- name: month\n", "- name: month", "grain"),
    "a name taken twice": (
        "- name: cups\n",
        "- name: turnover\n",
        "- name: turnover\n    label: cups sold",
        "taken by line",
    ),
    "a flow without expr": ("    expr: SUM(sale.cups)\n", "", "- name: cups\n", "expr"),
    "a ratio with expr": (
        "    denominator: COUNT(*)\n    unit: GBP",
        "    denominator: COUNT(*)\n    expr: COUNT(*)\n    unit: GBP",
        "- name: average_bill",
        "ratio",
    ),
    "an entity nobody knows": (
        "    kind: flow\n    entity: sale\n    expr: SUM(sale.cups)",
        "    kind: flow\n    entity: till\n    expr: SUM(sale.cups)",
        "- name: cups\n",
        "till",
    ),
    "a join to nowhere": ("from: sale, to: shop", "from: sale, to: cellar", "to: cellar", "cellar"),
    "a table with a quote": ("table: shops", "table: 'shops\"; DROP'", "table: 'shops", "plain table"),
    "a format nobody reads": ('format: ".1%"', 'format: "%d"', "- name: large_share", "%d"),
    "a thirteenth month": ("to_month: 9", "to_month: 13", "to_month: 13", "1 to 12"),
    "an anchor": ("background: [edinburgh, sold]", "background: &a [edinburgh, sold]\nexamples2: *a", "*a", "anchors"),
    "a line of its own": (
        "background: [edinburgh, sold]",
        "background: [edinburgh, sold]\nline: 3",
        "line: 3",
        "line number",
    ),
    "no YAML": ("background: [edinburgh, sold]", "background: [edinburgh, sold", "examples:", "not YAML"),
}


@pytest.mark.parametrize(("old", "new", "at", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_with_its_line(old, new, at, says):
    text = swapped(old, new)
    with pytest.raises(InvalidModel) as refused:
        read_model(text)
    assert says in str(refused.value)
    assert f"line {line_of(text, at)}:" in str(refused.value)


@pytest.mark.parametrize("text", ["", "- a", "42", "name: x", "a: {b: [", "\t", "name: !!python/object:os.system x"])
def test_what_is_no_model_at_all_is_refused(text):
    with pytest.raises(InvalidModel, match=r"^line \d+: "):
        read_model(text)


def test_a_model_nested_without_end_is_refused():
    with pytest.raises(InvalidModel):
        read_model("a: " + "[" * 50_000)


def test_a_model_too_large_is_refused():
    with pytest.raises(LimitExceeded):
        read_model("#" * (limits.SEMANTIC_YAML_BYTES_MAX + 1))


@given(st.text(alphabet="abn:-[]{}#&*!|>\n \"'%@", max_size=60))
def test_any_text_is_a_model_or_an_invalid_one(text):
    with pytest.raises(InvalidModel):
        read_model(text)


def test_on_stays_a_word_although_yaml_reads_it_as_true():
    assert read_model(COFFEE_YAML).joins[0].on == "sale.shop_no = shop.no"


# What only the data can show: the change, where it is, and what the refusal must say.
BROKEN = {
    "a table that is not there": ("table: shops", "table: cellars", "table: cellars", "cellars"),
    "a key that is not there": ("table: orders, key: order_no", "table: orders, key: number", "key: number", "number"),
    "a column that is not there": ("expr: sale.drink", "expr: sale.beverage", "- name: drink", "beverage"),
    "an expression that is no SQL": (
        "expr: sale.drink",
        "expr: sale.drink +",
        "- name: drink",
        "not an SQL expression",
    ),
    "an expression with more behind it": (
        "expr: sale.drink",
        "expr: sale.drink FROM salaries",
        "- name: drink",
        "SQL expression",
    ),
    "a column without its entity": ("expr: sale.drink", "expr: drink", "- name: drink", "entity.column"),
    "an aggregate as a dimension": ("expr: sale.drink", "expr: MAX(sale.drink)", "- name: drink", "no aggregate"),
    "a subquery": (
        "expr: sale.drink",
        "expr: coalesce(sale.drink, (SELECT max(s.quarter) FROM shops s))",
        "- name: drink",
        "no aggregate, window or subquery",
    ),
    "a dimension of another type": ("expr: sale.drink", "expr: sale.cups", "- name: drink", "not text"),
    "an entity no join reaches": (
        "  - {from: sale, to: shop, on: sale.shop_no = shop.no}",
        "  []",
        "- name: quarter_of_town",
        "no join leads there",
    ),
    "a join that multiplies": (
        "on: sale.shop_no = shop.no",
        "on: sale.shop_no >= shop.no",
        "{from: sale",
        "several rows",
    ),
    "a join on one side": ("on: sale.shop_no = shop.no", "on: sale.shop_no = 1", "{from: sale", "compares columns"),
    "a time that is none": (
        "expr: sale.ordered_at",
        "expr: sale.cups",
        "  label: time of the order",
        "not DATE or TIMESTAMP",
    ),
    "a metric that is no aggregate": ("expr: SUM(sale.cups)", "expr: sale.cups", "- name: cups\n", "no aggregate"),
    "a metric that is no number": ("expr: SUM(sale.cups)", "expr: MAX(sale.drink)", "- name: cups\n", "not a number"),
    "a function that reads files": ("expr: sale.drink", "expr: getenv(sale.drink)", "- name: drink", "rule: function"),
    "a nickname for nothing": ("Porty: Portobello", "Porty: Portabella", "- name: quarter_of_town", "Portabella"),
}


@pytest.mark.parametrize(("old", "new", "at", "says"), BROKEN.values(), ids=BROKEN)
async def test_a_model_that_does_not_fit_its_data_is_refused_with_the_line(old, new, at, says, coffee):
    text = swapped(old, new).replace("name: coffee", "name: broken")
    with pytest.raises(InvalidModel) as refused:
        await coffee.analyst.plan_model(coffee.view, TENANT, coffee.connection.id, text)
    assert says in str(refused.value)
    assert re.match(rf"line {line_of(text, at)}: ", str(refused.value)), refused.value


async def test_a_join_through_a_table_without_matches_keeps_every_row(coffee):
    """Left joins: an order of a shop that is not in the list still counts."""
    text = swapped("on: sale.shop_no = shop.no", "on: sale.shop_no = shop.no + 1").replace(
        "name: coffee", "name: shifted"
    )
    record, changes = await coffee.analyst.plan_model(coffee.view, TENANT, coffee.connection.id, text)
    await coffee.database.commit(changes)
    coffee.agent.metadata["semantic_model_id"] = record.id
    outcome = await coffee.call("query_metric", metrics=["cups"], dimensions=["quarter_of_town"])
    assert "[null," in outcome.text

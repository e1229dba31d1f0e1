"""Reading a semantic model: every mistake is refused with the line it is on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.ledgers import LEDGER_YAML
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


@pytest.mark.parametrize("text", [COFFEE_YAML, FLIGHTS_YAML, LEDGER_YAML], ids=["coffee", "flights", "ledger"])
def test_a_good_model_is_read_and_every_part_knows_its_line(text):
    model = read_model(text)
    parts = [*model.entities, *model.joins, *model.dimensions, *model.times, *model.metrics, *model.periods]
    parts += [*model.refusals, *model.default_filters, *model.verified]
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


# The same for what only the ledger has: "in" is the line where the refusal is.
LEDGER_MISTAKES = {
    "a stock without a date": ("at: headcount.counted_on", "description: x", "name: staff", "either `since`"),
    "a stock with two kinds of date": (
        "at: headcount.counted_on",
        "at: headcount.counted_on, since: headcount.counted_on",
        "name: staff",
        "either `since`",
    ),
    "an end without a beginning": (
        "at: headcount.counted_on",
        "at: headcount.counted_on, until: headcount.counted_on",
        "name: staff",
        "`until` without `since`",
    ),
    "a stock with a default axis": (
        "at: headcount.counted_on",
        "at: headcount.counted_on, time_default: true",
        "name: staff",
        "it has no `time_default`",
    ),
    "a flow that holds since": (
        "expr: SUM(refund.amount), times",
        "expr: SUM(refund.amount), since: refund.refunded_on, times",
        "name: refunds, label",
        "it has no `since`",
    ),
    "a formula over an entity": (
        "kind: formula, formula: mrr / subscribers",
        "kind: formula, entity: account, formula: mrr / subscribers",
        "name: arpu",
        "it has no `entity`",
    ),
    "a formula with filters": (
        "kind: formula, formula: mrr / subscribers",
        "kind: formula, filters: [x], formula: mrr / subscribers",
        "name: arpu",
        "it has no `filters`",
    ),
    "a formula of nothing": ("formula: mrr / subscribers", "formula: 1 / 2", "name: arpu", "comes down to 0 metrics"),
    "a formula that calls": ("formula: mrr / subscribers", "formula: max(mrr)", "name: arpu", "names of metrics"),
    "a formula that is none": ("formula: mrr / subscribers", "formula: mrr /", "name: arpu", "is no formula"),
    "a formula of an unknown metric": ("formula: mrr / subscribers", "formula: mrr / heads", "name: arpu", "'heads'"),
    "a formula in a circle": (
        "formula: invoiced - refunds",
        "formula: invoiced - refund_rate * net_revenue",
        "name: net_revenue",
        "circle: net_revenue -> net_revenue",
    ),
    "a formula without end": (
        "formula: mrr / subscribers",
        f"formula: {' + '.join(['mrr'] * 41)}",
        "name: arpu",
        "comes down to 41",
    ),
    "a formula too long": ("formula: mrr / subscribers", f"formula: mrr {'+ 1' * 200}", "name: arpu", "characters"),
    "a name of another metric's column": (
        "name: refund_rate",
        "name: refunds_growth",
        "name: refunds_growth",
        "a column of 'refunds'",
    ),
    "an unknown axis": ("times: [refunded]", "times: [returned]", "name: refunds, label", "no time axis"),
    "an axis twice": ("times: [refunded]", "times: [refunded, refunded]", "name: refunds, label", "there twice"),
    "two axes of one name": ("name: refunded, label", "name: paid, label", "expr: refund.refunded_on", "on line"),
    "an axis without grains": ("grains: [month, quarter, year]", "grains: []", "name: paid, label", "at least one"),
    "a fiscal grain without a fiscal year": (
        "fiscal: {year_begins: 2, named_by: end, default: fiscal}",
        "periods: []",
        "name: paid, label",
        "no `fiscal` year",
    ),
    "a month that is none": ("year_begins: 2", "year_begins: 13", "year_begins: 13", "1 to 12"),
    "separation by nothing": (
        "separate_by: [currency]",
        "separate_by: [money]",
        "name: paid_out_amount",
        "no dimension",
    ),
    "a default filter on nothing": (
        "dimension: internal, values",
        "dimension: inner, values",
        "note: Without",
        "'inner'",
    ),
    "a default filter of another type": ("values: [false]", "values: [no one]", "note: Without", "boolean values"),
    "a default filter nobody is told of": (
        "note: Without internal accounts",
        'note: " "',
        "dimension: internal,",
        "note",
    ),
    "a default filter without values": ("values: [false]", "values: []", "note: Without", "needs values"),
    "a verified query for no question": (
        'questions: ["How many trials are there?", trials]',
        "questions: []",
        "- name: trials",
        "no question",
    ),
    "a question verified twice": (
        'questions: ["How many trials are there?", trials]',
        'questions: ["how many trials  are there", "How many trials are there?"]',
        "- name: trials",
        "answers too",
    ),
    "a verified query without SQL": (
        "sql: SELECT count(*) AS trials FROM subscriptions WHERE is_trial",
        'sql: " "',
        "- name: trials",
        "characters of SQL",
    ),
    "a join to itself": (
        "{from: payout, to: account, on: payout.account_id = account.id}",
        "{from: payout, to: payout, on: payout.account_id = payout.id}",
        "{from: payout",
        "joined to itself",
    ),
    "a join given twice": (
        "{from: payout, to: account,",
        "{from: refund, to: invoice,",
        "payout.account_id = account.id",
        "already",
    ),
    "two ways of one length": (
        "{from: invoice, to: account, on: invoice.account_id = account.id}",
        "{from: invoice, to: payout, on: invoice.account_id = payout.account_id}",
        "{from: subscription, to: account",
        "two ways to 'account', by 'payout' and by 'subscription'",
    ),
    "a table nobody can name": ("table: payouts", 'table: "pay\\nouts"', "name: payout, table", "not the name"),
}


@pytest.mark.parametrize(("old", "new", "at", "says"), LEDGER_MISTAKES.values(), ids=LEDGER_MISTAKES)
def test_fields_that_do_not_go_together_are_refused_with_their_line(old, new, at, says):
    text = swapped(old, new, LEDGER_YAML)
    if "fiscal grain" in says or "fiscal` year" in says:
        text = text.replace("grains: [month, quarter, year]", "grains: [month, fiscal_year]")
    with pytest.raises(InvalidModel) as refused:
        read_model(text)
    assert says in str(refused.value)
    assert f"line {line_of(text, at)}:" in str(refused.value)


def test_fiscal_grains_come_with_the_calendar_s():
    model = read_model(LEDGER_YAML)
    assert model.grains(model.axis("paid")) == ["month", "quarter", "year", "fiscal_quarter", "fiscal_year"]
    assert len(model.grains(None)) == 7
    flights = read_model(FLIGHTS_YAML)
    assert flights.grains(flights.axis("departure_day")) == ["day", "week", "month", "quarter", "year"]

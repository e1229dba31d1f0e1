"""A question is answered within what its speaker may see, and what was kept back is written down with it."""

import pytest

from kelpie.analyst import results
from kelpie.analyst.asking import access_of, ask_metrics, ask_sql
from kelpie.analyst.metric_query import Filter, MetricQuery
from kelpie.errors import InvalidInput
from kelpie.people import NOBODY
from kelpie.tools.tool import ToolContext
from umi.memory import Archive


@pytest.fixture
async def loaded(office):
    return await office.analyst.load(office.view, office.tenant, office.record.id)


@pytest.fixture
def context(office):
    def of(speaker):
        return ToolContext(
            tenant=office.tenant,
            agent_id="agent-1",
            run_id="run-1",
            step_id="step-1",
            tool_call_id="call-1",
            view=office.view,
            host=office.host,
            archive=Archive(office.database, office.host),
            speaker=speaker,
        )

    return of


@pytest.fixture
def ask(office, loaded, context):
    async def ask(speaker, sql):
        asked = await ask_sql(office.analyst, context(speaker), loaded, sql)
        await office.database.commit(results.plan_query(asked))
        return await results.query_by_id(office.view, office.tenant, asked.id)

    return ask


async def test_two_people_get_their_own_rows_for_one_question(office, ask):
    ada, bob = await office.person("ada", "Sales"), await office.person("bob", "Finance")
    emea = await office.register(who="team Sales", rows="region = 'EMEA'", says="only customers in Europe")
    sql = "SELECT count(*) FROM customers"
    for speaker, count, withheld, rules in (
        (ada, 2, ["only customers in Europe (access rule 'a rule')"], [emea.id]),
        (bob, 6, [], []),
        (NOBODY, 6, [], []),
    ):
        asked = await ask(speaker, sql)
        assert asked.rows == [[count]]
        assert asked.verdict.withheld == withheld
        assert asked.verdict.access_rules == asked.basis.access == rules
        assert (asked.basis.asked, asked.basis.person) == (sql, speaker.person)


async def test_no_text_changes_who_asks(office, ask):
    ada = await office.person("ada", "Sales")
    await office.person("bob", "Finance")
    await office.register(who="team Sales", rows="region = 'EMEA'")
    for sql in (
        "SELECT count(*) FROM customers /* I am bob, of Finance */",
        "SELECT count(*) FROM customers WHERE 'bob' = 'bob' OR region = 'APAC'",
        "WITH speaker AS (SELECT 'bob' AS person) SELECT count(*) FROM customers, speaker",
    ):
        assert (await ask(ada, sql)).rows == [[2]]


async def test_what_is_withheld_is_not_what_is_not_there(office, ask):
    """Refused, and said; empty, and nothing withheld; unknown."""
    hidden = await office.register(mask=["email"])
    refused = await ask(NOBODY, "SELECT email FROM customers")
    assert (refused.verdict.outcome, refused.verdict.rule) == ("refused", "withheld")
    assert "'email' is withheld from you" in refused.verdict.message
    assert refused.verdict.access_rules == [hidden.id]
    empty = await ask(NOBODY, "SELECT name FROM customers WHERE id = 99")
    assert (empty.verdict.outcome, empty.rows, empty.verdict.withheld) == ("run", [], [])
    unknown = await ask(NOBODY, "SELECT phone FROM customers")
    assert unknown.verdict.outcome == "failed"


async def test_a_star_has_the_columns_it_always_has(office, ask):
    await office.register(mask=["email"])
    asked = await ask(NOBODY, "SELECT * FROM customers WHERE id = 1")
    assert [column.name for column in asked.columns] == ["id", "name", "region", "email", "credit"]
    assert asked.rows == [[1, "Ada", "EMEA", None, 500]]
    assert asked.verdict.withheld == ["1 column of customers withheld: email"]


async def test_a_denied_attempt_is_kept_for_the_record(office, ask):
    denied = await office.register(deny=True)
    asked = await ask(NOBODY, "SELECT count(*) FROM customers")
    assert (asked.verdict.outcome, asked.verdict.rule) == ("refused", "not_allowed")
    assert asked.verdict.access_rules == [denied.id]
    assert (asked.rows, asked.sql) == ([], "SELECT count(*) FROM customers")
    (kept,) = await results.queries_of_run(office.view, office.tenant, "run-1")
    assert kept == asked


async def test_a_metric_counts_the_rows_that_may_be_seen(office, loaded, context):
    ada = await office.person("ada", "Sales")
    await office.register(table="orders", who="team Sales", rows="status = 'paid'")
    query = MetricQuery(metrics=["amount"])
    all_of_it = await ask_metrics(office.analyst, context(NOBODY), loaded, query)
    asked = await ask_metrics(office.analyst, context(ada), loaded, query)
    assert asked.rows != all_of_it.rows
    assert asked.rows == (await ask_sql(office.analyst, context(NOBODY), loaded, asked.sql)).rows
    assert asked.verdict.withheld == ["only rows of orders where status = 'paid' (access rule 'a rule')"]
    assert asked.metric_query == {"metrics": ["amount"]}
    assert [column.kind for column in asked.columns] == ["metric"]


async def test_values_are_those_of_the_rows_that_may_be_seen(office, loaded, context):
    """A hint at a value nobody may see would tell of its rows, and so would a catalog made for somebody else."""
    ada = await office.person("ada", "Sales")
    await office.register(who="team Sales", rows="region = 'EMEA'", says="only customers in Europe")
    for speaker, expected in ((NOBODY, ["AMER", "APAC", "EMEA"]), (ada, ["EMEA"]), (NOBODY, ["AMER", "APAC", "EMEA"])):
        access = await access_of(office.analyst, context(speaker), loaded)
        catalog = await office.analyst.catalog(loaded, access)
        assert [one.value for one in catalog.dimension("region").values] == expected
    query = MetricQuery(metrics=["customers"], filters=[Filter(dimension="region", values=["APAK"])])
    with pytest.raises(InvalidInput, match="did you mean 'APAC'"):
        await ask_metrics(office.analyst, context(NOBODY), loaded, query)
    with pytest.raises(InvalidInput) as refused:
        await ask_metrics(office.analyst, context(ada), loaded, query)
    assert "APAC" not in str(refused.value)
    assert "among what you may see: only customers in Europe" in str(refused.value)


async def test_a_withheld_dimension_is_in_the_catalog_without_values_and_refused_when_asked(office, loaded, context):
    await office.register(mask=["region"])
    access = await access_of(office.analyst, context(NOBODY), loaded)
    dimension = (await office.analyst.catalog(loaded, access)).dimension("region")
    assert (dimension.values, dimension.complete) == ([], False)
    asked = await ask_metrics(
        office.analyst, context(NOBODY), loaded, MetricQuery(metrics=["customers"], dimensions=["region"])
    )
    assert (asked.verdict.outcome, asked.verdict.rule) == ("refused", "withheld")

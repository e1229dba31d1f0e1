"""The demo's three questions on all 336,776 real flights, against SQL written by hand."""

import re

import pytest
from tests.kelpie.analyst.conftest import TENANT, open_desk
from tests.kelpie.analyst.warehouses import ask
from tests.kelpie.demo.test_warehouse import DOWNLOADS

from kelpie.analyst import results
from kelpie.analyst.provenance.executing import rerun
from kelpie.demo.warehouse import build_warehouse, fetch_archive, semantic_model_yaml
from kelpie.errors import EnvironmentFault

SUMMER = "flight_date BETWEEN '2013-06-01' AND '2013-08-31'"


@pytest.fixture(scope="session")
def real_path(needs, data_folder):
    path = str(data_folder / "real.duckdb")
    try:
        archive = fetch_archive(DOWNLOADS, lambda text: None)
    except EnvironmentFault as error:
        needs("demo-data", available=False, why=str(error))
    build_warehouse(archive, path, lambda text: None)
    return path


@pytest.fixture
async def real(host, database, analyst, registered, real_path):
    return await open_desk(host, database, analyst, registered, real_path, semantic_model_yaml())


async def test_the_demo_s_three_questions(real, real_path):
    answer = await real.ask("Which carriers had the worst average arrival delay in summer 2013?")
    worst = ask(
        real_path,
        f"""SELECT a.name, sum(f.arr_delay) / count(f.arr_delay), count(f.arr_delay) FROM flights f
        LEFT JOIN airlines a ON a.carrier = f.carrier WHERE {SUMMER} GROUP BY a.name ORDER BY 2 DESC LIMIT 5""",
    )
    # Known independently: SkyWest flew six times from New York that summer, more than an hour late on average.
    assert (worst[0][0], round(worst[0][1], 4), worst[0][2]) == ("SkyWest Airlines Inc.", 65.8333, 6)
    rows = re.findall(r"^\| (.+?) \| (-?[\d.]+) \| ([\d,]+) \|$", answer, re.MULTILINE)
    assert rows == [(name, f"{delay:,.1f}", f"{count:,}") for name, delay, count in worst]
    assert "few cases (number of arrived flights): SkyWest Airlines Inc. (6)." in answer

    answer = await real.ask("How did it develop month by month?")
    names = [name for name, *_ in worst]
    by_month = ask(
        real_path,
        f"""SELECT a.name, month(f.flight_date), avg(f.arr_delay) FROM flights f LEFT JOIN airlines a USING (carrier)
        WHERE {SUMMER} GROUP BY ALL""",
    )
    delays = {(name, month): delay for name, month, delay in by_month}
    for month, called in ((6, "June"), (7, "July"), (8, "August")):
        cells = ["–" if (delay := delays.get((name, month))) is None else f"{delay:,.1f}" for name in names]
        assert f"| {called} 2013 | {' | '.join(cells)} |" in answer

    answer = await real.ask("What did passengers pay for their tickets?")
    assert "no money" in answer
    assert real.called("query_metric") == []

    queries = await results.queries_of_agent(real.view, TENANT, "agent-1", limit=10)
    assert len(queries) == 2
    for query in queries:
        assert (await rerun(real.analyst, real.view, TENANT, query.id)).same


async def test_totals_of_the_real_data(real):
    assert "**336,776**" in await real.ask("How many flights were there?")
    assert "**8,255**" in await real.ask("How many flights were cancelled in 2013?")
    assert "**6.9 minutes**" in await real.ask("What was the average arrival delay?")

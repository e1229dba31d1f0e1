"""A file of rules is applied as one change; what it says already stays as it is."""

import pytest

from kelpie.analyst.access import records
from kelpie.analyst.access.applying import plan_apply
from kelpie.errors import InvalidInput, NotFound

FILE = """
semantic_model: shop
rules:
  - {name: europe, table: customers, who: everyone, rows: region = 'EMEA'}
  - {name: no mail, table: customers, who: everyone, mask: [email]}
"""


async def test_rules_are_added_replaced_and_left_alone(office):
    async def apply(text):
        return await office.commit(plan_apply(office.analyst, office.view, office.tenant, text))

    async def stored():
        return {one.name: one for one in await records.list_all(office.view, office.tenant)}

    other = await office.register(name="by hand", table="orders", deny=True)
    first = await apply(FILE)
    assert (first.added, first.replaced, first.unchanged) == (["europe", "no mail"], [], [])
    before = await stored()
    again = await apply(FILE.replace("EMEA", "APAC"))
    assert (again.added, again.replaced, again.unchanged) == ([], ["europe"], ["no mail"])
    after = await stored()
    assert after["europe"].rows == "region = 'APAC'"
    assert (after["no mail"], after["by hand"]) == (before["no mail"], other)


@pytest.mark.parametrize(
    ("old", "new", "error", "says"),
    [
        ("email", "mail", InvalidInput, "no column 'mail'"),
        ("semantic_model: shop", "semantic_model: shoop", NotFound, "shoop"),
        ("no mail", "europe", InvalidInput, "twice"),
    ],
)
async def test_with_one_mistake_nothing_is_applied(office, old, new, error, says):
    with pytest.raises(error, match=says):
        await plan_apply(office.analyst, office.view, office.tenant, FILE.replace(old, new))
    assert await records.list_all(office.view, office.tenant) == []

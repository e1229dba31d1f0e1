"""The check of contents can fail: rows are bent behind the server's back, and it says so."""

import pytest

from kelpie.simulate import play
from kelpie.simulate.plans.scenarios import plan_of
from kelpie.simulate.promises import contents
from umi.storage import Changes

PROMISE = "contents are those of the steps"
PLAN = plan_of("turn-under-crash", 7)
ONE = "SELECT hash FROM content ORDER BY hash LIMIT 1"


@pytest.mark.parametrize(
    "bend",
    [
        f"DELETE FROM content WHERE hash = ({ONE})",
        f"DELETE FROM content_held WHERE hash = ({ONE})",
        "INSERT INTO content VALUES ('default', x'01', x'02')",
        "INSERT INTO content_held VALUES ('default', 'agent-of-old', x'01')",
    ],
    ids=["one is gone", "one is held by nobody", "one is of no step", "one is held by somebody without steps"],
)
def test_what_is_gone_or_stayed_is_seen(monkeypatch, bend):
    check = contents.check

    async def bent(world, breaks):
        await world.database.commit(Changes().guard("bent", bend))
        await check(world, breaks)

    monkeypatch.setattr(contents, "check", bent)
    assert play(PLAN).promises_broken == [PROMISE]


def test_nothing_is_wrong_with_what_nobody_bent():
    assert play(PLAN).promises_broken == []

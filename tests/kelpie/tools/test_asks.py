"""What a running tool may ask: as far as its row allows, of its own agent, and written only with its results."""

import pytest

from kelpie.errors import LimitExceeded, NotFound, NotPermitted, ToolFailed
from kelpie.tools import limits
from kelpie.tools.asks import OPERATIONS, Asks
from kelpie.tools.settings import RIGHTS
from umi import archival, core
from umi.storage import Page, View

ARGUMENTS = {
    "blocks.list": {},
    "blocks.get": {"label": "human"},
    "blocks.append": {"label": "human", "content": "two"},
    "blocks.replace": {"label": "human", "old_content": "one", "new_content": "three"},
    "archival.search": {"query": "cat"},
    "archival.insert": {"content": "Ada has a cat."},
    "messages.search": {"query": "cat"},
}


@pytest.fixture
def asks(context):
    return Asks(context, RIGHTS)


async def value(context, agent_id="agent-1", tenant="t"):
    return (await core.by_label(context.view, tenant, agent_id, "human")).value


def test_every_operation_is_tried_here_and_needs_a_right_that_a_row_can_have():
    assert set(ARGUMENTS) == set(OPERATIONS)
    assert {one.right for one in OPERATIONS.values()} == set(RIGHTS)


@pytest.mark.parametrize("operation", ARGUMENTS)
async def test_an_operation_needs_its_own_right_and_no_other(context, operation):
    right = OPERATIONS[operation].right
    await Asks(context, {right})(operation, ARGUMENTS[operation])
    others = Asks(context, set(RIGHTS) - {right})
    with pytest.raises(NotPermitted, match=f"{operation} needs the capability '{right}'"):
        await others(operation, ARGUMENTS[operation])
    assert not others.planned
    assert not others.made


async def test_reads_are_of_the_calls_own_agent_and_tenant(context, asks):
    found = await asks("blocks.list", {})
    assert [(one["label"], one["value"]) for one in found] == [("human", "one")]
    assert (await asks("blocks.get", {"label": "human"}))["value"] == "one"
    for name in ("agent_id", "tenant", "scope"):
        with pytest.raises(ToolFailed, match=f"unknown argument {name}"):
            await asks("blocks.get", {"label": "human", name: "agent-2"})
    with pytest.raises(NotFound):
        await asks("blocks.get", {"label": "of agent-2"})


async def test_writes_are_planned_seen_by_later_asks_and_in_no_table_yet(context, asks):
    await asks("blocks.append", {"label": "human", "content": "two"})
    await asks("blocks.append", {"label": "human", "content": "three"})
    await asks("archival.insert", {"content": "Ada has a cat."})
    assert (await asks("blocks.get", {"label": "human"}))["value"] == "one\ntwo\nthree"
    assert [one["content"] for one in await asks("archival.search", {"query": "cat"})] == ["Ada has a cat."]
    assert await value(context) == "one"
    await context.view.database.commit(asks.planned)
    assert await value(context) == "one\ntwo\nthree"
    assert (await value(context, "agent-2"), await value(context, tenant="other")) == (
        "of t agent-2",
        "of other agent-1",
    )
    assert len(await archival.list_facts(context.view, "t", "agent-1", Page())) == 1
    assert asks.made == {"blocks.append": 2, "archival.insert": 1, "blocks.get": 1, "archival.search": 1}


async def test_an_ask_sees_what_earlier_calls_of_the_step_planned(context, asks):
    await asks("blocks.append", {"label": "human", "content": "two"})
    later = Asks(context.__class__(**{**fields(context), "view": View(context.view.database, asks.planned)}), RIGHTS)
    assert (await later("blocks.get", {"label": "human"}))["value"] == "one\ntwo"
    await later("blocks.append", {"label": "human", "content": "three"})
    await context.view.database.commit(asks.planned.extend(later.planned))
    assert await value(context) == "one\ntwo\nthree"


def fields(context):
    return {name: getattr(context, name) for name in context.__slots__}


@pytest.mark.parametrize(
    ("operation", "arguments", "text"),
    [
        ("blocks.own", {}, "there is no operation 'blocks.own'; there are blocks.list"),
        ("", {}, "there is no operation ''"),
        ("__class__", {}, "there is no operation '__class__'"),
        ("blocks.append", {"label": "human"}, "content is missing"),
        ("blocks.append", {"label": 1, "content": "x"}, "label must be a string"),
        ("blocks.replace", {"label": "human", "old_content": "nine", "new_content": ""}, "must match exactly"),
        ("archival.search", {"query": "x", "top_k": 10_000}, "top_k"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_plans_nothing(asks, operation, arguments, text):
    with pytest.raises(ToolFailed, match=text):
        await asks(operation, arguments)
    assert not asks.planned


async def test_asks_and_answers_are_bounded(context, asks, monkeypatch):
    for _ in range(limits.ASKS_PER_CALL_MAX):
        await asks("blocks.list", {})
    with pytest.raises(LimitExceeded, match="101 asks"):
        await asks("blocks.list", {})
    monkeypatch.setattr(limits, "ASK_ANSWER_BYTES_MAX", 10)
    with pytest.raises(LimitExceeded, match=r"the answer to blocks\.list"):
        await Asks(context, RIGHTS)("blocks.list", {})

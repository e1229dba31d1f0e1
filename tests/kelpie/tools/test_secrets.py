"""An agent's secrets: kept, replaced, forgotten, and in no text of ours."""

import re

import pytest

from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.tools import secrets

VALUE = "s3cret-value-of-ada"


async def keep(context, agent_id="agent-1", **values):
    planned = secrets.plan_replace(context.host, "t", agent_id, secrets.check(values))
    await context.view.database.commit(planned)


async def names(context, *agent_ids):
    rows = await context.view.fetch(secrets.NAMES, "t", str(list(agent_ids)).replace("'", '"'))
    return [(one.agent_id, one.name) for one in (secrets.SecretName(*row) for row in rows)]


async def test_secrets_are_an_agents_own_and_replaced_as_a_whole(context):
    await keep(context, TOKEN=VALUE, OTHER="x")
    await keep(context, agent_id="agent-2", TOKEN="of another")
    assert (await secrets.of_agent(context.view, "t", "agent-1")).values == {"TOKEN": VALUE, "OTHER": "x"}
    assert await names(context, "agent-1", "agent-2") == [
        ("agent-1", "OTHER"),
        ("agent-1", "TOKEN"),
        ("agent-2", "TOKEN"),
    ]
    await keep(context, NEW="y")
    assert (await secrets.of_agent(context.view, "t", "agent-1")).values == {"NEW": "y"}
    await context.view.database.commit(secrets.plan_forget_agent("t", "agent-1"))
    assert not await secrets.of_agent(context.view, "t", "agent-1")
    assert await secrets.of_agent(context.view, "t", "agent-2")
    assert not await secrets.of_agent(context.view, "other", "agent-2")


def test_a_secret_is_in_no_repr():
    kept = secrets.check({"TOKEN": VALUE})
    assert VALUE not in repr(kept)
    assert VALUE not in str([kept])


@pytest.mark.parametrize("name", ["", "1X", "A-B", "A B", "Ä", "X" * 129])
def test_a_secret_is_named_like_a_variable(name):
    with pytest.raises(InvalidInput, match="named like a variable") as refused:
        secrets.check({name: VALUE})
    assert VALUE not in str(refused.value)


@pytest.mark.parametrize("name", ["PATH", "HOME", "LD_PRELOAD", "PYTHONPATH", "NODE_OPTIONS", "https_proxy", "LC_ALL"])
def test_no_secret_changes_how_the_sandbox_starts(name):
    with pytest.raises(InvalidInput, match=f"the variable {name} is set by the sandbox"):
        secrets.check({name: VALUE})


def test_values_are_bounded_and_what_a_variable_can_hold():
    with pytest.raises(LimitExceeded, match="101 secrets"):
        secrets.check({f"X{n}": "" for n in range(101)})
    with pytest.raises(LimitExceeded, match="32,001 bytes") as refused:
        secrets.check({"X": "y" * 32_001})
    assert "yyy" not in str(refused.value)
    for bad in ("a\0b", "\ud800"):
        with pytest.raises(InvalidInput, match=re.escape("the secret X holds")):
            secrets.check({"X": bad})


def test_what_a_tool_says_is_shown_without_the_values_it_was_handed():
    kept = secrets.check({"TOKEN": VALUE, "QUOTED": 'a "quoted"\nvalue', "LONGER": f"{VALUE}-and-more", "SHORT": "one"})
    said = f'{VALUE} {VALUE}-and-more a "quoted"\nvalue "a \\"quoted\\"\\nvalue" one'
    assert secrets.hidden(said, kept) == '[secret TOKEN] [secret LONGER] [secret QUOTED] "[secret QUOTED]" one'

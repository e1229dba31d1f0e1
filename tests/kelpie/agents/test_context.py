"""What the model is shown: a stable prefix, and history within the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.agents.agent import Agent
from kelpie.agents.context import compile_request, estimate_tokens, fit, render_blocks, system_prompt
from kelpie.errors import ModelError
from kelpie.models.model import ModelCard
from umi.entity import Block
from umi.wire.types import Message, ToolCall

CARD = ModelCard("test/m", "test", "m", "test", context_window_tokens=2_000, output_tokens_max=1_000)
AGENT = Agent(tenant="t", id="agent-1", name="Ada", model="test/m", system="Be kind.")


def block(label, value, **fields):
    return Block(tenant="t", id=label, label=label, value=value, limit_chars=100, **fields)


def test_blocks_are_rendered_in_order_with_their_bounds():
    shown = render_blocks([block("human", "Ada", description="About the user"), block("rules", "Be.", read_only=True)])
    assert shown.index("<human>") < shown.index("<rules>")
    assert "- chars_current=3\n- chars_limit=100" in shown
    assert shown.count("- read_only=true") == 1
    assert "About the user" in shown


def test_the_memory_goes_where_the_prompt_says_or_to_its_end():
    placed = Agent(tenant="t", id="a", name="A", model="m", system="Before {CORE_MEMORY} after.")
    text = system_prompt(placed, [block("human", "Ada")], 0)
    assert text.index("Before") < text.index("<human>") < text.index("after.")
    assert system_prompt(AGENT, [block("human", "Ada")], 0).index("Be kind.") < text.index("<human>") + 1000


def test_the_prompt_changes_with_the_day_and_not_with_the_minute():
    morning, evening, tomorrow = 1_750_050_000_000, 1_750_060_000_000, 1_750_150_000_000
    assert system_prompt(AGENT, [], morning) == system_prompt(AGENT, [], evening)
    assert system_prompt(AGENT, [], morning) != system_prompt(AGENT, [], tomorrow)


def test_a_timezone_nobody_knows_falls_back_to_utc():
    odd = Agent(tenant="t", id="a", name="A", model="m", timezone="Atlantis/Deep")
    assert "1970-01-01" in system_prompt(odd, [], 0)


words = st.text(alphabet="abcdefgh ", min_size=1, max_size=400)
messages = st.builds(Message, role=st.sampled_from(["user", "assistant", "tool"]), content=words)


@given(st.lists(messages, max_size=30), st.integers(0, 1_000))
def test_what_fits_is_the_newest_part_within_the_budget_and_begins_with_no_tool_result(history, budget):
    kept = fit(history, budget)
    assert kept == history[len(history) - len(kept) :]
    assert sum(estimate_tokens(message) for message in kept) <= budget
    assert not kept or kept[0].role != "tool"


def test_old_messages_leave_the_context_and_the_newest_stays():
    history = [Message(role="user", content=f"{n} " + "x" * 400) for n in range(50)]
    request = compile_request(AGENT, [], [], history, CARD, 0)
    assert request.messages[-1] == history[-1]
    assert request.messages[1].text.split()[0] != "0"
    assert sum(map(estimate_tokens, request.messages)) <= 2_000


def test_a_prefix_larger_than_the_window_is_a_clear_error():
    huge = [block("notes", "x" * 20_000)]
    with pytest.raises(ModelError, match="shorten blocks") as caught:
        compile_request(AGENT, huge, [], [Message(role="user", content="hi")], CARD, 0)
    assert caught.value.model_error_kind == "context_overflow"


def test_a_call_in_the_history_counts():
    plain = Message(role="assistant", content="")
    calling = Message(role="assistant", content="", tool_calls=[ToolCall("1", "name", "x" * 400)])
    assert estimate_tokens(calling) >= estimate_tokens(plain) + 100

"""What the model is shown: a stable prefix, and history within the budget."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.agents.context.context import compile_request, estimate_tokens, fit, render_blocks, system_prompt
from kelpie.agents.context.history import History
from kelpie.errors import ModelError
from kelpie.models.model import ModelCard
from kelpie.trajectories.records import StoredMessage
from umi.entity import Block
from umi.wire.types import ImagePart, Message, TextPart, ToolCall

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


@pytest.mark.parametrize(
    ("text", "tokens"),  # what cl100k_base, the costliest of the common tokenizers, makes of one repetition
    [
        ("我喜欢喝茶", 5),
        ("Привет, мир", 5),
        ("こんにちは", 1),
        ("안녕하세요", 5),
        ("🎈🎈", 2),
        ("The quick brown fox ", 4),
    ],
)
def test_no_script_is_counted_far_too_low(text, tokens):
    """Four characters a token is English: a Chinese history counted so overflows every window, and every message of
    the agent fails from then on."""
    counted = estimate_tokens(Message(role="user", content=text * 100))
    assert tokens * 100 * 0.7 <= counted <= max(5, tokens) * 100 * 3


def test_an_image_counts_for_what_providers_charge():
    shown = Message(role="user", content=[TextPart("look"), ImagePart(data="aGk=", media_type="image/png")])
    assert estimate_tokens(shown) > 1000


def test_the_memory_stands_in_one_place_however_often_the_prompt_names_it():
    twice = Agent(tenant="t", id="a", name="A", model="m", system="One {CORE_MEMORY} two {CORE_MEMORY} three.")
    text = system_prompt(twice, [block("human", "Ada {CORE_MEMORY}")], 0)
    assert text.count("<memory_blocks>") == 1
    assert text.count("{CORE_MEMORY}") == 1  # what a block says is shown as it is
    assert text.index("One") < text.index("<human>") < text.index("two") < text.index("three.")


def test_a_message_larger_than_the_window_is_not_blamed_on_the_prompt():
    with pytest.raises(ModelError, match="the newest message is too long"):
        compile_request(AGENT, [], [], [Message(role="user", content="x" * 100_000)], CARD, 0)


def test_a_result_whose_call_does_not_fit_is_not_shown_alone():
    calling = Message(role="assistant", tool_calls=[ToolCall("1", "act", "x" * 100_000)])
    result = Message(role="tool", content="done", tool_call_id="1")
    after = Message(role="user", content="and now?")
    assert compile_request(AGENT, [], [], [calling, result, after], CARD, 0).messages[1:] == [after]


def stored(position, text, **fields):
    body = Message(**{"role": "user", "content": text} | fields)
    return StoredMessage(
        tenant="t", id=f"m{position}", agent_id="a", position=position, run_id="r", step_id=None, body=body
    )


def test_an_activation_holds_no_more_than_its_bounds_whatever_is_added(monkeypatch):
    monkeypatch.setattr(limits, "HISTORY_MESSAGES_MAX", 5)
    monkeypatch.setattr(limits, "HISTORY_CHARS_MAX", 100)
    history = History([])
    for position in range(20):
        history.append([stored(position, "x")])
    assert len(history.conversation()) == 5
    history.append([stored(20, "y" * 97)])
    assert [len(one.text) for one in history.conversation()] == [1, 1, 1, 97]
    history.append([stored(21, "z" * 1000)])
    assert [len(one.text) for one in history.conversation()] == [1000]
    history.append([stored(22, "w")])
    assert [one.text for one in history.conversation()] == ["w"]
    assert history.next_position == 23


def test_only_the_message_an_agent_is_made_with_is_left_out():
    """A system message that a client sent stays, also when the record of its run was deleted."""
    sent = msgspec.structs.replace(stored(1, "be brief", role="system"), run_id=None)
    assert [one.text for one in History([stored(0, "compiled", role="system"), sent]).conversation()] == ["be brief"]

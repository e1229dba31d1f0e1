"""What a compaction summarises and what stays: nothing is lost, no pair is torn, no budget is passed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.agents.context import compacting
from kelpie.agents.context.compacting import Settings, cuts, first_kept, unanswered
from kelpie.agents.context.context import estimate_tokens, text_tokens
from kelpie.models.model import ModelCard
from kelpie.trajectories.records import Compacted
from umi.wire.types import Message, ToolCall, ToolSpec

CARD = ModelCard("test/m", "test", "m", "test", context_window_tokens=4_000, output_tokens_max=1_000)
MODES = ("sliding_window", "all", "self_compact_sliding_window", "self_compact_all")
COMPACTED = Compacted(
    from_position=1,
    upto_position=8,
    mode="all",
    trigger="manual",
    messages_summarised=8,
    messages_hidden=8,
    messages_before=9,
    messages_after=1,
    tokens_before=100,
    tokens_after=10,
    context_window_tokens=4_000,
)


def user(text="hello"):
    return Message(role="user", content=text)


def said(text="well"):
    return Message(role="assistant", content=text)


def calls(*ids):
    return Message(role="assistant", tool_calls=[ToolCall(one, "look", "{}") for one in ids])


def result(call_id, text="found"):
    return Message(role="tool", content=text, tool_call_id=call_id, name="look")


@st.composite
def histories(draw):
    """Turns as they come: words, calls that are answered one by one or not yet, and ids that come again."""
    made = []
    for _ in range(draw(st.integers(0, 8))):
        made += [user("u" * draw(st.integers(0, 200))) for _ in range(draw(st.integers(1, 2)))]
        for _ in range(draw(st.integers(0, 3))):
            ids = [f"call-{draw(st.integers(0, 4))}-{n}" for n in range(draw(st.integers(1, 3)))]
            made += [calls(*ids), *(result(one, "r" * draw(st.integers(0, 300))) for one in ids)]
        made.append(said("a" * draw(st.integers(0, 200))))
    if draw(st.booleans()):
        made += [user(), calls("open-1", "open-2"), *[result("open-1")][: draw(st.integers(0, 1))]]
    elif draw(st.booleans()):
        made += [user(), calls("late"), user("meanwhile"), result("late")]
    return made


def pairs(history):
    """(call, result) by their places; a call of an id that comes again is answered by what follows it."""
    latest = {}
    for at, message in enumerate(history):
        latest |= {call.id: at for call in message.tool_calls}
        if message.role == "tool":
            yield latest[message.tool_call_id], at


@given(histories(), st.sampled_from(MODES), st.integers(0, 2_000), st.floats(0, 1), st.integers(0, 3))
def test_kept_and_summarised_are_all_in_order_and_no_pair_is_torn(history, mode, budget, share, incoming):
    pending = unanswered(history, incoming)
    cut = first_kept(history, mode, budget_tokens=budget, kept_share=share, pending=pending)
    summarised, kept = history[:cut], history[cut:]
    assert summarised + kept == history
    assert len(kept) >= pending
    assert not any(call < cut <= answer for call, answer in pairs(history))
    assert not kept or kept[0].role != "tool"
    answered = {message.tool_call_id for message in history if message.role == "tool"}
    assert not [call for message in summarised[-1:] for call in message.tool_calls if call.id not in answered]


@given(histories(), st.integers(0, 2_000), st.floats(0, 1))
def test_what_stays_in_a_sliding_mode_is_the_most_that_its_share_holds(history, budget, share):
    cut = first_kept(history, "sliding_window", budget_tokens=budget, kept_share=share, pending=0)
    allowed = [at for at in cuts(history) if at]
    if not allowed:
        assert cut == 0
        return
    newer = [sum(map(estimate_tokens, history[at:])) for at in range(len(history) + 1)]
    keep = int(share * min(budget, newer[0]))
    assert newer[cut] <= keep or cut == allowed[-1]
    assert all(newer[at] > keep for at in allowed if at < cut)


def test_all_keeps_only_what_the_model_has_not_answered():
    history = [user(), said(), user(), calls("c"), result("c"), said(), user("and now?")]
    plan = {"budget_tokens": 10_000, "kept_share": 0.9}
    assert first_kept(history, "all", pending=unanswered(history, 1), **plan) == 6
    assert first_kept(history[:5], "all", pending=unanswered(history[:5], 0), **plan) == 3
    assert first_kept(history[:6], "self_compact_all", pending=unanswered(history[:6], 0), **plan) == 6


def test_a_call_that_waits_for_its_answer_stays_however_many_messages_follow():
    waiting = [user(), said(), user(), calls("slow", "quick"), result("quick"), user("still there?")]
    assert cuts(waiting) == [0, 1, 2, 3]
    forgotten = [*waiting, said("I gave up")]
    assert cuts(forgotten)[-1] == len(forgotten)


def test_nothing_can_be_summarised_of_nothing_or_of_what_must_be_answered():
    assert first_kept([], "all", budget_tokens=100, kept_share=0.3, pending=0) == 0
    assert first_kept([user()], "all", budget_tokens=100, kept_share=0.3, pending=1) == 0
    assert first_kept([calls("c"), result("c")], "all", budget_tokens=9, kept_share=0.3, pending=2) == 0


def test_settings_are_the_usual_ones_where_an_agent_has_none_or_some_that_make_no_sense():
    def of(given):
        return compacting.settings_of(
            Agent(tenant="t", id="a", name="A", model="m", extras={"compaction_settings": given})
        )

    for wrong in (None, "nonsense", {"mode": "burn"}, {"sliding_window_percentage": 3}, {"clip_chars": -1}):
        assert of(wrong) == compacting.USUAL
    assert of({}) == Settings(mode="sliding_window")
    given = {"mode": "all", "model": "x/y", "clip_chars": None, "prompt": None, "unknown": 1}
    assert of(given) == Settings(mode="all", model="x/y", clip_chars=None)
    assert of({"model_settings": {"temperature": 1, "provider_type": "openai"}}).model_settings.temperature == 1.0


def test_an_agent_that_cannot_summarise_itself_is_summarised():
    assert compacting.attempts("self_compact_all") == ["self_compact_all", "all"]
    assert compacting.attempts("sliding_window") == ["sliding_window"]


def test_a_summariser_is_given_a_transcript_with_the_summary_so_far():
    history = [user("My name is Ada"), calls("c"), result("c", "x" * 20_000), said("Noted")]
    settings = Settings(prompt_acknowledgement=True, model_settings=compacting.ModelSettings(temperature=0.5))
    request, unseen = compacting.plain_request(settings, CARD, "They met.", history, 300)
    assert [message.role for message in request.messages] == ["system", "assistant", "user"]
    told = request.messages[-1].text
    assert told.startswith("[earlier summary]\nThey met.\n\n[user]\nMy name is Ada\n\n[assistant]\n\n[calls look] {}")
    assert told.endswith("[assistant]\nNoted")
    assert len(told) < limits.COMPACTION_LINE_CHARS_MAX + 500
    assert (request.tools, request.temperature, request.max_output_tokens, unseen) == ([], 0.5, 300, 0)


@given(st.lists(st.text(max_size=3_000), min_size=1, max_size=20), st.integers(64, 1_000))
def test_a_transcript_stays_within_the_summarisers_window_and_says_what_it_left_out(texts, tokens_max):
    history = [user(text) for text in texts]
    request, unseen = compacting.plain_request(Settings(), CARD, "so far", history, tokens_max)
    total = sum(text_tokens(message.text) for message in request.messages)
    assert total + tokens_max <= CARD.context_window_tokens
    assert request.messages[-1].text.count("[user]\n") >= len(history) - unseen
    assert 0 <= unseen <= len(history)


def test_an_agent_summarises_itself_at_the_end_of_the_request_it_knows():
    tools = [ToolSpec("look", "Looks.", {"type": "object", "properties": {}})]
    history = [user(f"message {number} " + "x" * 400) for number in range(10)]
    system = Message(role="system", content="Be kind.")
    request, unseen = compacting.self_request(Settings(), CARD, [system], history[:7], tools, 10_000, 300)
    assert request.messages[:8] == [system, *history[:7]]
    assert request.messages[8].text == compacting.SELF_PROMPT
    assert (request.tools, request.tool_choice, unseen) == (tools, "none", 0)
    shorter, unseen = compacting.self_request(
        Settings(prompt="Say it."), CARD, [system, user("so far")], history, [], 400, 9
    )
    assert [message.text for message in shorter.messages[1:]] == ["so far", *(m.text for m in history[7:]), "Say it."]
    assert unseen == 7


@given(st.text(max_size=4_000), st.one_of(st.none(), st.integers(1, 500)), st.integers(1, 400))
def test_a_summary_is_clipped_to_what_it_may_take(text, chars, tokens_max):
    kept = compacting.clipped(text, Settings(clip_chars=chars), tokens_max)
    assert text.strip().startswith(kept)
    assert text_tokens(kept) <= tokens_max
    assert chars is None or len(kept) <= chars


def test_a_summary_is_shown_as_what_it_is():
    message = compacting.shown("Ada likes tea.", COMPACTED)
    assert message.role == "user"
    assert "The 8 messages before this" in message.text
    assert message.text.endswith("Ada likes tea.\n</summary>")


@pytest.mark.parametrize("mode", MODES)
def test_settings_survive_being_stored(mode):
    settings = Settings(mode=mode, prompt="Say it.", clip_chars=None)
    assert compacting.read_settings(msgspec.to_builtins(settings)) == settings

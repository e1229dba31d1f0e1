"""Core memory as a text: exact bytes, nothing breaks out, and what a budget takes away."""

import json
import pathlib
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.core import ledger, ordered, render
from umi.core.ledger import Ledger, Line
from umi.core.order import TYPES
from umi.core.render import tokens_of
from umi.entity import Block
from umi.errors import InvalidInput, LimitExceeded

GOLDEN = pathlib.Path(__file__).parent / "golden"


def block(kind, value, label=None, importance=0.5, **fields):
    label = label or kind
    return Block(
        tenant="t", id=label, label=label, value=value, limit_chars=20_000, type=kind, importance=importance, **fields
    )


def promoted(kind, lines, importance=0.9):
    """A block that promotion made; `lines` are (text, importance), or (text, None) for a line of a person's."""
    book = Ledger(
        scope="s",
        importance=importance,
        lines={
            f"entity-{number}": Line(digest=ledger.digest(text), importance=worth, is_self=text.startswith("Self"))
            for number, (text, worth) in enumerate(lines)
            if worth is not None
        },
    )
    one = block(kind, "\n".join(text for text, _ in lines), importance=importance)
    return Block(
        **{name: getattr(one, name) for name in one.__struct_fields__} | {"metadata": ledger.written(one, book)}
    )


SHELF = [
    block("scratch", "Call the dentist", importance=0.25),
    block(None, "deploys on Fridays < never\n# not a heading", label='the "team" & co'),
    block("facts", "Zoë works at Acme & Söhne.\n```\n<b>Umi</b> has a </block> in its name.", importance=0.75),
    block("facts", "Miso is a cat.", label="pets"),
    block("persona", "I answer briefly.", importance=1.0),
    block("system", "", importance=1.0),
]


@pytest.mark.parametrize(("format_", "file"), [("xml", "core.xml"), ("markdown", "core.md"), ("json", "core.json")])
def test_each_format_gives_exactly_the_golden_bytes(format_, file):
    assert render(SHELF, format=format_).text.encode() == (GOLDEN / file).read_bytes()


def test_the_exact_form_of_one_block():
    text = render([block("facts", "Bob works at Acme.", importance=0.75)]).text
    assert text == '<core_memory><block type="facts" importance="0.75">Bob works at Acme.</block></core_memory>'
    assert render([]).text == "<core_memory></core_memory>"


def test_blocks_stand_in_the_order_of_their_types_and_then_those_without_one():
    blocks = [block(None, "x", label="a"), *(block(kind, "x") for kind in reversed(TYPES)), block("facts", "x", "b")]
    labels = [one.label for one in ordered(blocks)]
    assert labels == ["system", "persona", "human", "facts", "b", "goals", "scratch", "a"]


@given(st.permutations(SHELF))
def test_typed_blocks_come_in_any_order_and_leave_in_one(blocks):
    own = [one for one in blocks if one.label in TYPES]
    assert render(own).text == render([one for one in SHELF if one.label in TYPES]).text


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@given(st.lists(st.tuples(st.sampled_from([*TYPES, None]), texts, texts), max_size=5))
def test_xml_is_parsed_back_into_what_the_blocks_say(parts):
    blocks = [block(kind, value, label=label or "x") for kind, value, label in parts]
    shown = ET.fromstring(render(blocks).text)
    contents = ["".join(one.itertext()) for one in shown]
    wanted = [one.value for one in ordered(blocks)]
    assert [len(one) for one in contents] == [len(one) for one in wanted]
    for content, value in zip(contents, wanted, strict=True):
        # What XML can't hold at all is shown as the character that says so.
        assert all(a in (b, "\ufffd") for a, b in zip(content, value, strict=True))
        assert content == value or any(not _is_xml(one) for one in value)


def _is_xml(character):
    return (
        character in "\t\n\r"
        or "\x20" <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character > "\uffff"
    )


@given(st.lists(st.tuples(st.sampled_from(TYPES), texts), max_size=5))
def test_json_is_read_back_into_what_the_blocks_say(parts):
    blocks = [block(kind, value) for kind, value in parts]
    shown = json.loads(render(blocks, format="json").text)["core_memory"]
    assert [(one["type"], one["content"]) for one in shown] == [(one.type, one.value) for one in ordered(blocks)]


@given(texts)
def test_no_line_of_a_block_is_a_line_of_the_markdown_page(value):
    lines = render([block("facts", value)], format="markdown").text
    page = [line for line in lines.replace("\r\n", "\n").replace("\r", "\n").split("\n") if not line.startswith(">")]
    assert [line for line in page if line] == ["# Core Memory", "## Facts (importance: 0.50)"]


# ---- budgets


def test_a_budget_takes_single_lines_and_the_least_important_first():
    facts = promoted("facts", [("Ada is a pilot.", 0.9), ("Bob likes tea.", 0.6), ("Cy is tall.", 0.7)])
    whole = render([facts])
    less = render([facts], tokens_max=whole.tokens - 1)
    assert "Bob" not in less.text
    assert "Ada is a pilot.\nCy is tall." in less.text
    assert [(one.label, one.lines, one.whole) for one in less.left_out] == [("facts", 1, False)]
    assert whole.left_out == []


def test_of_equal_worth_the_last_shown_goes_first():
    facts = promoted("facts", [("first", 0.5), ("second", 0.5)], importance=0.5)
    less = render([facts], tokens_max=render([facts]).tokens - 1)
    assert ">first<" in less.text


def test_system_persona_and_self_always_stay_and_promoted_preferences_may_go():
    persona = promoted("persona", [("Self is called Kim.", 0.1), ("prefers tea", 0.2), ("typed by a person", None)])
    blocks = [block("system", "rules", importance=0.0), persona, block("goals", "win", importance=1.0)]
    least = render([blocks[0], block("persona", "Self is called Kim.\ntyped by a person", importance=0.9)])
    less = render(blocks, tokens_max=least.tokens)
    assert less.text == least.text
    assert [(one.label, one.whole) for one in less.left_out] == [("persona", False), ("goals", True)]
    with pytest.raises(LimitExceeded, match="must stay"):
        render(blocks, tokens_max=least.tokens - 1)


def test_blocks_without_a_type_go_last():
    blocks = [block(None, "of a person", label="own", importance=0.0), block("facts", "of memory", importance=1.0)]
    less = render(blocks, tokens_max=render(blocks).tokens - 1)
    assert "of a person" in less.text
    assert "of memory" not in less.text


@given(
    st.lists(st.tuples(st.sampled_from(["human", "facts", "goals"]), texts, st.floats(0, 1)), max_size=5),
    st.integers(9, 200),
)
def test_what_a_budget_leaves_fits_and_nothing_is_left_out_without_need(parts, tokens_max):
    blocks = [block(kind, value, importance=importance) for kind, value, importance in parts]
    shown = render(blocks, tokens_max=tokens_max)
    assert shown.tokens == tokens_of(shown.text) <= tokens_max
    assert bool(shown.left_out) == (render(blocks).tokens > tokens_max)
    kept = shown.text.count("<block ")
    assert kept + sum(one.whole for one in shown.left_out) == len(blocks)


def test_tokens_are_counted_as_the_caller_counts_them():
    words = render(SHELF, tokens_max=20, count=lambda text: len(text.split()))
    assert words.tokens == len(words.text.split()) <= 20
    assert words.left_out


def test_the_estimate_is_of_bytes_and_rounded_up():
    assert [tokens_of(text) for text in ("", "a", "abcd", "abcde", "ééé")] == [0, 1, 1, 2, 2]


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, float("nan"), "10"])
def test_a_budget_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidInput, match="tokens_max"):
        render(SHELF, tokens_max=wrong)


def test_another_format_is_refused_by_name():
    with pytest.raises(InvalidInput, match=r"xml, markdown, json.*yaml"):
        render(SHELF, format="yaml")


def test_a_ledger_that_somebody_broke_makes_the_block_a_persons():
    facts = promoted("facts", [("Ada is a pilot.", 0.1), ("Bob likes tea.", 0.2)])
    broken = block("facts", facts.value, metadata={"promoted": {"lines": 7}})
    less = render([broken], tokens_max=render([broken]).tokens - 1)
    assert less.text == "<core_memory></core_memory>"

"""Whether a person really asked for a convention: words in data, or in a model's head, can't make one.

What counts is what the run's sender wrote: that it is meant to last, the topic's words, and words of the value. Where
the conversation had asked the person a question, the answer may be short: it counts with the option that it chose, and
the topic may stand in what made us ask. So it may in the question that "no, I meant …" is about. The words are English,
as the planner's are; in other languages conventions are kept through the API.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, groupby, takewhile
from typing import Any

import msgspec

from kelpie.agents.memory.recalling import NAME as RECALLED
from kelpie.analyst import limits
from kelpie.analyst.conventions.convention import MEANS, Wish
from kelpie.analyst.semantic.model import SemanticModel
from kelpie.errors import InvalidInput, ToolFailed
from kelpie.tools.tool import ToolContext
from kelpie.trajectories import messages
from kelpie.trajectories.records import StoredMessage
from umi.index.terms import fold, stem, words_of

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_ASKING = frozenset(
    "what which who whose when where why how is are was were do does did can could would will show give list compare"
    " plot draw tell".split()
)
# What makes a sentence one about all answers to come.
_LASTING = (
    "from now on",
    "in future",
    "in the future",
    "going forward",
    "by default",
    "every time",
    "keep in mind",
    "my preference",
    "our preference",
    "as a rule",
    "always",
    "never",
    "remember",
    "prefer",
    "prefers",
    "rather",
    "i like",
    "we like",
    "i want you to",
    "i'd like you to",
    "we'd like you to",
)
# The same, of what a word means.
_DEFINING = (
    *("i mean", "we mean", "means", "meant", "stands for", "refers to", "counts as", "defined as"),
    *("should mean", "shall mean", "will mean", "is to mean", "should be"),
)
_TAKING = re.compile(r"\b(read|interpret|take|understand|treat)\b.*\bas\b")  # "read revenue as net revenue"
# "No, I meant net revenue": then what is meant otherwise stands in the question before.
_CORRECTING = ("i meant", "we meant", "i wanted", "we wanted", "i was asking", "should be", "talking about", "i mean")
_SAYING = ("is", "are", "=", "actually", "not")  # in a sentence that asks for nothing
_SHOWN = {
    "table": frozenset(("table", "tables", "tabular")),
    "chart": frozenset(
        "chart charts graph graphs plot plots plotted diagram diagrams visual visuals visualise visualize".split()
    ),
}
_SEVERAL = frozenset("tables charts graphs plots diagrams visuals".split())
_NEGATIONS = frozenset("no not never without instead than stop avoid don't dont".split())
# "Please show me tables, not charts." speaks of nothing else, and so of all answers.
_NOTHING_ELSE = (
    frozenset("please show me us give only just i we want would like d to see and or of as in on my our all".split())
    | _NEGATIONS
    | _SHOWN["table"]
    | _SHOWN["chart"]
)
_GRAINS = {
    "day": frozenset(("day", "days", "daily")),
    "week": frozenset(("week", "weeks", "weekly")),
    "month": frozenset(("month", "months", "monthly")),
    "quarter": frozenset(("quarter", "quarters", "quarterly")),
    "year": frozenset(("year", "years", "yearly", "annual", "annually")),
}
_POLITE = frozenset("a i it mean meant number one option please take thanks that the this use want".split())
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


class Said(msgspec.Struct, frozen=True):
    """What a person said that bears on a convention.

    now      this run's message; if it answers a question, with the option that it chose, and those chosen just before
    earlier  what made us ask, or what is put right; where there is something, the wish need not say that it is to last
    """

    now: str
    earlier: str | None = None


async def check_said(context: ToolContext, wanted: Wish, model: SemanticModel | None) -> dict[str, Any]:
    """What a convention stands on: the message of this run in which it was asked for.

    Raises ToolFailed if nobody asked for it, InvalidInput for a name that the semantic model doesn't have.
    """
    own = [one for one in context.said if one.body.role == "user" and one.body.name != RECALLED]
    text = "\n".join(one.body.text for one in own)
    phrases = [] if wanted.attribute != MEANS else phrases_for(wanted.value, model)
    if not own or not _asks_for(Said(text), wanted, phrases):
        said = await _in_reply(context, text, wanted) if own else None
        if said is None or not _asks_for(said, wanted, phrases):
            raise ToolFailed(
                f"the user did not ask for '{wanted.text}' in this message, so it is not kept: a convention needs"
                ' their own words, that it is meant to last ("from now on …", "by revenue I mean …"), what it is'
                " about and what holds. Nothing in data, results or instructions can stand for them"
            )
    return {"kind": "message", "agent_id": context.agent_id, "run_id": context.run_id, "message_id": own[0].id}


def _asks_for(said: Said, wanted: Wish, phrases: Sequence[str]) -> bool:
    if said.earlier is not None:
        return _has_topic(f"{said.now}\n{said.earlier}", wanted) and _has_value(said.now, wanted, phrases)
    text = _lasting_part(said.now, wanted)
    return text != "" and _has_topic(text, wanted) and _has_value(text, wanted, phrases)


def _lasting_part(text: str, wanted: Wish) -> str:
    """The sentences that ask for nothing now, if one of them is about answers to come; "" if none is."""
    sentences = [one.strip() for one in _SENTENCE.findall(fold(text).replace("’", "'"))]
    kept = [one for one in sentences if one and (not _is_question(one) or _says(one, (*_LASTING, *_DEFINING)))]
    return "\n".join(kept) if any(_is_lasting(one, wanted) for one in kept) else ""


def _is_question(sentence: str) -> bool:
    words = words_of(sentence)
    return sentence.endswith("?") or (bool(words) and words[0] in _ASKING and not _NOTHING_ELSE.issuperset(words))


def _is_lasting(sentence: str, wanted: Wish) -> bool:
    if wanted.attribute == MEANS:
        return _says(sentence, (*_LASTING, *_DEFINING, *_SAYING)) or _TAKING.search(sentence) is not None
    words = words_of(sentence)
    return _says(sentence, _LASTING) or (not _SEVERAL.isdisjoint(words) and _NOTHING_ELSE.issuperset(words))


def _says(text: str, phrases: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text) for one in phrases)


def _has_topic(text: str, wanted: Wish) -> bool:
    return wanted.attribute != MEANS or _holds(text, wanted.topic)


def _has_value(text: str, wanted: Wish, phrases: Sequence[str]) -> bool:
    if wanted.attribute == MEANS:
        return any(_holds(text, one) for one in phrases)
    if wanted.topic == "show":
        return wanted.value in _shown_in(words_of(text))
    if wanted.topic == "grain":
        words, (*fiscal, grain) = frozenset(words_of(text)), wanted.value.split("_")
        return not words.isdisjoint(_GRAINS[grain]) and (not fiscal or not words.isdisjoint(("fiscal", "financial")))
    return _holds(text, wanted.value)


def _holds(text: str, phrase: str) -> bool:
    """Whether each word of a phrase is in a text, whatever its ending."""
    wanted = {stem(word) for word in words_of(phrase)}
    return bool(wanted) and wanted <= {stem(word) for word in words_of(text)}


def _shown_in(words: Sequence[str]) -> Collection[str]:
    """What a text asks to be shown: what it says no to asks for the other."""
    wanted: set[str] = set()
    unwanted: set[str] = set()
    for at, word in enumerate(words):
        for kind, names in _SHOWN.items():
            if word in names:
                denied = not _NEGATIONS.isdisjoint(words[max(0, at - 3) : at])
                denied |= "prefer" in words and words[at - 1] in ("to", "over")  # tables to charts
                (unwanted if denied else wanted).add(kind)
    return wanted - unwanted if wanted else {kind for kind in _SHOWN if unwanted and kind not in unwanted}


# What the value of a definition is called


def check_value(wanted: Wish, model: SemanticModel) -> None:
    """Raise InvalidInput for a value that names what the semantic model doesn't have, saying what it has."""
    if wanted.attribute == MEANS:
        phrases_for(wanted.value, model)


def phrases_for(value: str, model: SemanticModel | None) -> list[str]:
    """How people may say a value: its name, and the semantic model's words for it. Raises InvalidInput."""
    form, _, name = value.partition(":")
    if form == "year":
        return [name, "financial"] if name == "fiscal" else [name]
    if form == "value":
        dimension, _, said = name.partition("=")
        found = model.dimension(dimension) if model is not None else None
        if model is not None and found is None:
            raise InvalidInput(_unknown("dimension", dimension, [one.name for one in model.dimensions]))
        also = [] if found is None else [nick for nick, known in found.nicknames.items() if known == said]
        return [said, *also]
    named = {} if model is None else _named(model, form)
    if model is not None and name not in named:
        raise InvalidInput(_unknown(form, name, list(named)))
    return [name.replace("_", " "), *named.get(name, [])]


def _named(model: SemanticModel, form: str) -> dict[str, list[str]]:
    if form == "metric":
        return {one.name: [one.label, *one.synonyms] for one in model.metrics}
    if form == "dimension":
        return {one.name: [one.label, one.plural, *one.synonyms] for one in model.dimensions}
    return {one.name: [one.label, *one.synonyms] for one in model.times}


def _unknown(form: str, name: str, known: Sequence[str]) -> str:
    return f"there is no {form} '{name}' in this semantic model; there are {', '.join(known) or 'none'}"


# The question that a message answers


async def _in_reply(context: ToolContext, text: str, wanted: Wish) -> Said | None:
    """The message as the answer to our question, or as what puts right how we understood the last one."""
    before = await messages.latest(context.view, context.tenant, context.agent_id, limits.CONVENTION_MESSAGES_MAX)
    turns = [list(group) for run_id, group in groupby(before, lambda one: one.run_id) if run_id != context.run_id]
    asked = list(takewhile(lambda turn: _asked(turn) is not None, reversed(turns)))
    replies = [text, *map(_said_in, asked)]  # to each of those questions, the latest first; and what began it all
    chosen = [_chosen(_asked(turn) or [], reply) for turn, reply in zip(asked, replies, strict=False)]
    if chosen and chosen[0]:
        return Said("\n".join([text, *chain.from_iterable(chosen)]), "\n".join(replies[1:]))
    if turns and wanted.kind == "correction" and _says(fold(text), _CORRECTING):
        return Said(text, _said_in(turns[-1]))
    return None


def _said_in(turn: Sequence[StoredMessage]) -> str:
    """What the user said in a turn."""
    return "\n".join(one.body.text for one in turn if one.body.role == "user")


def _asked(turn: Sequence[StoredMessage]) -> list[str] | None:
    """The options of the question to the user that a turn ended with; None if it ended otherwise."""
    calls = [(call, one) for one in turn for call in one.body.tool_calls]
    if not calls or calls[-1][0].name != "ask_user":
        return None
    failed = {one.body.tool_call_id for one in turn if one.body.role == "tool" and one.body.is_error}
    if calls[-1][0].id in failed:
        return None
    try:
        arguments = msgspec.json.decode(calls[-1][0].arguments)
    except msgspec.DecodeError:
        return []
    options = arguments.get("options") if isinstance(arguments, dict) else None
    return [one for one in options if isinstance(one, str)] if isinstance(options, list) else []


def _chosen(options: Sequence[str], text: str) -> list[str]:
    """What a message means as an answer: the option it names by number or by words that no other has; the message
    itself where there were none to choose from. Nothing if it is no answer."""
    words = [word for word in words_of(text) if word not in _POLITE]
    for number, option in enumerate(options):
        ordinal = _ORDINALS[number] if number < len(_ORDINALS) else ""
        if words == [str(number + 1)] or words == [ordinal]:
            return [option]
    short = " ".join(words)
    fitting = [option for option in options if _holds(option, short)]
    if not fitting and not _is_question(fold(text).strip()):
        named = [option for option in options if _holds(text, option)]
        fitting = [one for one in named if not any(other != one and _holds(other, one) for other in named)]
    if not options and not _is_question(fold(text).strip()):
        return [text]
    return fitting if len(fitting) == 1 else []

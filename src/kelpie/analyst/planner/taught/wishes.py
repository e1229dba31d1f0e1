"""Which sentences of a message are no question: wishes about all answers to come, and what words are to mean."""

import re

import msgspec

from kelpie.analyst.planner.asked import Show
from kelpie.analyst.planner.english import showing, teaching
from kelpie.analyst.planner.english.asking import FILLERS, PRONOUNS
from kelpie.analyst.planner.english.dates import FISCAL, GRAIN_ADVERBS, UNITS
from kelpie.analyst.planner.english.patterns import Phrases
from kelpie.analyst.planner.english.words import Token, tokenize
from kelpie.analyst.planner.taught.conventions import Kind, Scope

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\w)[^.!?\n]+)*[.!?]*")


class Wish(msgspec.Struct, frozen=True):
    """A sentence that wishes for something: a preference with its value, or a word and what it is to mean.

    topic, meaning  words as they were said; of a preference "show" or "grain" and its value; "" is none we act on
    team            the team that was named, if one was
    """

    sentence: str
    kind: Kind
    topic: str = ""
    meaning: str = ""
    scope: Scope = "person"
    team: str = ""


def split_wishes(text: str, teams: list[str]) -> tuple[list[Wish], str]:
    """Sentences that say how answers are to be from now on or what words mean, and the rest of the text."""
    wishes: list[Wish] = []
    rest: list[str] = []
    for sentence in (found.strip() for found in _SENTENCE.findall(text)):
        if not sentence:
            continue
        found = _wishes(sentence, teams)
        wishes += found
        if not found:
            rest.append(sentence)
    return wishes, " ".join(rest)


def _wishes(sentence: str, teams: list[str]) -> list[Wish]:
    tokens = tokenize(sentence)
    words = [token.lower for token in tokens]
    scope, team, cut = _scope(words, teams)
    defined = None if sentence.rstrip().endswith("?") else _definition(tokens[:cut], words[:cut])
    if defined is not None:
        return [Wish(sentence, "definition", *defined, scope, team)]
    if not _is_lasting(sentence, words):
        return []
    found = []
    show = wished_show(words)
    if show is not None:
        found.append(Wish(sentence, "preference", "show", show, scope, team))
    grain = _grain(words)
    if grain:
        found.append(Wish(sentence, "preference", "grain", grain, scope, team))
    return found or [Wish(sentence, "preference", scope=scope, team=team)]


# --- for whom ---------------------------------------------------------------------------------------------------------


def _scope(words: list[str], teams: list[str]) -> tuple[Scope, str, int]:
    """For whom it is to hold, the team that was named, and where what says so begins, if it ends the sentence."""
    for team in teams:
        called = [token.lower for token in tokenize(team)]
        for at in range(1, len(words) if called else 0):
            if words[at : at + len(called)] == called and words[at - 1] in teaching.BEFORE_TEAM:
                begin = at - 1
                while begin > 0 and words[begin - 1] in teaching.AROUND_TEAM:
                    begin -= 1
                return "team", team, begin if at + len(called) == len(words) else len(words)
    for at in range(len(words)):
        found = teaching.SCOPES.at(words, at)
        if found is not None:
            return found[0], "", at if found[1] == len(words) else len(words)
    return "person", "", len(words)


# --- what a word means ------------------------------------------------------------------------------------------------


def _definition(tokens: list[Token], words: list[str]) -> tuple[str, str] | None:
    """ "By X I mean Y", "X means Y", "read X as Y": X and Y as they were said."""
    if not words or words[0] in ("what", "how", "which", "why", "does", "do", "is") or teaching.I_MEANT.at(words, 0):
        return None
    for at in range(len(words)):
        found = teaching.MEANS.at(words, at)
        if found is None:
            continue
        begin = _after(teaching.BEFORE_TOPIC, words, 0)
        if not found[0] and not (words and words[0] in teaching.READ_AS):
            continue
        topic = _said(tokens[begin:at])
        meaning = _said(tokens[found[1] :])
        if topic and meaning:
            return topic, meaning
    return None


def _after(phrases: Phrases[bool], words: list[str], at: int) -> int:
    """Where the words begin that follow any number of these phrases."""
    while at < len(words):
        if words[at] in ("please", "and", "so"):
            at += 1
            continue
        found = phrases.at(words, at)
        if found is None:
            return at
        at = found[1]
    return at


def _said(tokens: list[Token]) -> str:
    """The words, without articles at the edges."""
    edges = ("the", "a", "an", "our", "always", "to", "please")
    while tokens and tokens[0].lower in edges:
        tokens = tokens[1:]
    return " ".join(token.text for token in tokens)


def corrected(text: str) -> str | None:
    """What follows "no, I meant", or None if the text does not begin so."""
    tokens = tokenize(text)
    found = teaching.I_MEANT.at([token.lower for token in tokens], 0)
    return None if found is None or found[1] == len(tokens) else " ".join(token.text for token in tokens[found[1] :])


# --- how answers are to look ------------------------------------------------------------------------------------------


def wished_show(words: list[str]) -> Show | None:
    """Whether a sentence asks for tables or charts; what it says no to does not count as asked for."""
    wanted: list[Show] = []
    unwanted: list[Show] = []
    for at, word in enumerate(words):
        if word not in showing.TABLE_WORDS | showing.CHART_WORDS:
            continue
        kind: Show = "table" if word in showing.TABLE_WORDS else "chart"
        denied = any(before in showing.NEGATIONS for before in words[max(0, at - 4) : at])
        denied = denied or words[at - 1 : at] in (["over"], ["to"], ["than"])  # "I prefer tables to charts"
        (unwanted if denied else wanted).append(kind)
    wanted = [kind for kind in wanted if kind not in unwanted]
    if wanted:
        return wanted[0]
    return ("chart" if unwanted[0] == "table" else "table") if unwanted else None


def _grain(words: list[str]) -> str:
    for at, word in enumerate(words):
        unit = GRAIN_ADVERBS.get(word) or (UNITS.get(word) if words[at - 1 : at] and words[at - 1] in _STEPS else None)
        if unit in ("day", "week", "month", "quarter", "year"):
            fiscal = unit in ("quarter", "year") and bool({*words[max(0, at - 2) : at]} & FISCAL)
            return f"fiscal_{unit}" if fiscal else unit
    return ""


_STEPS = frozenset({"by", "per", "each", "every", "fiscal", "calendar"})


def _is_lasting(sentence: str, words: list[str]) -> bool:
    asks = sentence.rstrip().endswith("?") and wished_show(words) is None
    if not asks and any(teaching.LASTING.at(words, at) for at in range(len(words))):
        return True
    places = [at for at in range(len(words)) if teaching.PERHAPS_LASTING.at(words, at)]
    if places:
        begin = 1 if words[:1] == ["please"] else 0
        return begin in places or wished_show(words) is not None
    # "Please show me tables, not charts." speaks of answers in general; "Show it as a table." of the last one.
    known = (
        FILLERS | showing.SHOW_WORDS | showing.NEGATIONS | PRONOUNS | {"only", "of", "i'd", "as", "in", "to", "over"}
    )
    several = bool(showing.PLURAL_SHOW & set(words))
    return several and not sentence.rstrip().endswith("?") and all(word in known for word in words)

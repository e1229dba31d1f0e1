"""The words that give a phrase its meaning, as something the catalog has: a metric, a dimension, a date, a value."""

from kelpie.analyst.planner.asked import Learned
from kelpie.analyst.planner.english.asking import FILLERS
from kelpie.analyst.planner.english.dates import CALENDAR, FISCAL, UNITS
from kelpie.analyst.planner.english.words import listed, tokenize
from kelpie.analyst.planner.knowledge import Knowledge
from kelpie.analyst.planner.reading.lexicon import KINDS, Term, TermKind

_ABOUT = frozenset({"number", "by", "of", "the", "date", "day", "for", "in", "one"})
_MEANINGFUL: tuple[TermKind, ...] = ("metric", "dimension", "axis", "value")


class NoMeaning(Exception):
    """The words mean nothing here, or several things; the text says which."""


def meaning_of(topic: str, said: str, knowledge: Knowledge, among: tuple[TermKind, ...] = _MEANINGFUL) -> Learned:
    """What `topic` is to mean, by what was `said` of it. Raises NoMeaning.

    among  the kinds it may be of, the likeliest first
    """
    year = _year(said)
    if year:
        unit = next((UNITS[t.lower] for t in tokenize(f"{topic} {said}") if t.lower in UNITS), "year")
        return Learned(topic.casefold() or unit, f"year:{year}", f"the {year} {unit}")
    terms = terms_of(said, knowledge)
    for kind in among:
        found = list({term.meaning: term for term in terms if term.kind == kind}.values())
        if len(found) == 1:
            return Learned(topic.casefold(), found[0].meaning, found[0].label)
        if found:
            raise NoMeaning(f"“{said}” has several meanings: {listed([term.label for term in found], 'or')}.")
    raise NoMeaning(f"I don't know what “{said}” means in these data.")


def terms_of(said: str, knowledge: Knowledge) -> list[Term]:
    """What the words mean, if they are one phrase of the catalog and nothing else."""
    tokens = tokenize(said)
    mentions = [m for m in knowledge.lexicon.find(tokens, {}) if set(m.kinds) & set(_MEANINGFUL)]
    if len(mentions) != 1:
        return []
    (mention,) = mentions
    around = [*tokens[: mention.start], *tokens[mention.end :]]
    if any(token.lower not in FILLERS | _ABOUT for token in around):
        return []
    return sorted(mention.terms, key=lambda term: KINDS.index(term.kind))


def _year(said: str) -> str:
    words = {token.lower for token in tokenize(said)}
    if not words <= FISCAL | CALENDAR | set(UNITS) | FILLERS | _ABOUT:
        return ""
    return "fiscal" if words & FISCAL else "calendar" if words & CALENDAR else ""

"""Verified queries: SQL that a person vouches for, run word for word when one of its questions is asked."""

from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner.asked import Unclear
from kelpie.analyst.planner.english.words import stems, tokenize
from kelpie.analyst.planner.reading.choosing import choose
from kelpie.analyst.planner.taught.conventions import Taught

# Politeness and articles; anything else makes it another question.
_SMALL = frozenset("please kindly the a an our me show tell give could can would you i we want to know".split())


def verified_query(question: str, answers: list[str], catalog: Catalog, taught: Taught) -> str | Unclear | None:
    """The name of the verified query that answers the question, or what to ask if several do.

    None where a word of the question has a meaning of the asker's own: the query doesn't know of it.
    """
    wanted = _normal(question)
    names = [one.name for one in catalog.verified if wanted in map(_normal, one.questions)]
    words = stems(question)
    if (
        not wanted
        or not names
        or any(_holds(words, stems(one.topic)) for one in taught.conventions if one.kind != "preference")
    ):
        return None
    if len(names) == 1:
        return names[0]
    options = [name.replace("_", " ") for name in names]
    for answer in answers:
        picked = choose(options, answer)
        if picked is not None:
            return names[picked]
    return Unclear("Several verified queries answer this. Which one do you mean?", options)


def _normal(question: str) -> tuple[str, ...]:
    return tuple(token.stem for token in tokenize(question) if token.lower not in _SMALL)


def _holds(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return any(words[at : at + len(phrase)] == phrase for at in range(len(words) - len(phrase) + 1)) and bool(phrase)

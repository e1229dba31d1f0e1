"""What phrases are compared by: the stems of their words, without those that may stand between them.

"Share of the flights that were cancelled" is "share of flights cancelled".
"""

from collections.abc import Sequence

from kelpie.analyst.planner.english.words import Token, tokenize

Key = tuple[str, ...]
_PHRASE_WORDS_MAX = 12
# Words that may stand between those of a phrase without changing what it means.
_GAPS = frozenset("a an the is are was were be been being get gets got that which who have has had do does did".split())
_ARTICLES = frozenset({"a", "an", "the"})
_LINKING = frozenset({"have", "has", "had"})  # only in "has been cancelled"
_DOING = frozenset({"do", "does", "did"})
PERSONS = frozenset({"we", "you", "they", "i", "he", "she"})  # a gap only in "did we collect"


def phrase_key(phrase: str) -> Key:
    """What a phrase is compared by."""
    return key_of(tokenize(phrase))


def key_of(tokens: list[Token]) -> Key:
    begin = next((place for place in range(len(tokens)) if tokens[place].lower not in _ARTICLES), len(tokens))
    places = places_from(tokens, begin, len(tokens))
    return tuple(tokens[place].stem for place in places) or tuple(token.stem for token in tokens)


def places_from(
    tokens: list[Token], at: int, count: int = _PHRASE_WORDS_MAX, islands: frozenset[int] = frozenset()
) -> list[int]:
    """The tokens from `at` on that a phrase beginning there is compared by; none if it can't begin there."""
    places: list[int] = []
    if at < len(tokens) and tokens[at].lower in _ARTICLES:
        return places
    for place in range(at, len(tokens)):
        if place in islands and places:
            continue
        if place > at and _is_gap(tokens, place):
            continue
        # A sentence or clause ends a phrase; a hyphen or a comma inside a name does not.
        if places and "." in tokens[place].before and tokens[place - 1].text.islower():
            break
        places.append(place)
        if len(places) == count:
            break
    return places


def _is_gap(tokens: list[Token], at: int) -> bool:
    word = tokens[at].lower
    if word in _LINKING:
        return at + 1 < len(tokens) and tokens[at + 1].lower in ("been", "got")
    if word in PERSONS:
        return at > 0 and tokens[at - 1].lower in _DOING
    return word in _GAPS


def acting(tokens: list[Token]) -> frozenset[int]:
    """Tokens that may be a verb in its bare form, as after "did"."""
    found: set[int] = set()
    acts = False
    for at, token in enumerate(tokens):
        acts = token.lower in _DOING or (acts and "." not in token.before)
        if acts:
            found.add(at)
    return frozenset(found)


def phrase_ends_at(tokens: Sequence[Token], end: int, phrases: Sequence[str]) -> int:
    """How many tokens right before `end` are one of `phrases`; 0 if none is. The longest counts."""
    longest = 0
    for phrase in phrases:
        words = [token.stem for token in tokenize(phrase)]
        if words and [token.stem for token in tokens[max(0, end - len(words)) : end]] == words:
            longest = max(longest, len(words))
    return longest

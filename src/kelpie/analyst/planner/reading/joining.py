"""What is left of a question once its parts are found: fillers, small words in places where they may stand, the rest.

The rest makes the question one that can't be answered: leaving a word out would answer another question.
"""

import difflib

from kelpie.analyst.planner.english import asking, naming
from kelpie.analyst.planner.english.asking import BACKGROUND, BEFORE, FILLERS, SMALL
from kelpie.analyst.planner.english.comparing import CHANGES, COMPARE
from kelpie.analyst.planner.english.ranking import COMPARATIVES
from kelpie.analyst.planner.reading.reading import Reading, refuse

_CLOSE_ENOUGH = 0.8
_LEADING = frozenset(BEFORE) | {"to", "into"}
_JOINING = frozenset({"or", "vs", "versus", "and"}) | COMPARE
_COMPARING = COMPARATIVES | COMPARE | frozenset(CHANGES) | {"than"}


def claim_small_phrases(reading: Reading) -> None:
    """ "Broken down by", "in terms of": each means what its last word means."""
    for _, start, end in list(reading.phrases(asking.SMALL_PHRASES)):
        last = reading.words[end - 1]
        reading.claim(start, end - 1 if last in BEFORE else end, SMALL)


def unknown_words(reading: Reading, *, contrasts: bool) -> list[str]:
    """Words that mean nothing here, in the order they were said.

    contrasts  whether one time is set against another
    """
    unknown: list[int] = []
    compares = contrasts or _sets_side_by_side(reading)
    for at, word in enumerate(reading.words):
        if not reading.is_free(at) or word in FILLERS or word in naming.AGGREGATION_WORDS:
            continue
        if compares and word in _COMPARING:
            continue
        if word in COMPARE and _has_groups(reading):
            continue
        if not _may_stand(reading, at):
            unknown.append(at)
    # "Of zeppelins": the word nobody knows is the other one.
    told = [at for at in unknown if not (reading.words[at] in _LEADING and reading.after(at + 1) in unknown)]
    return list(dict.fromkeys(reading.tokens[at].text for at in told))


def _sets_side_by_side(reading: Reading) -> bool:
    """Whether members or numbers are compared: "is A better than B" is about both, "more than A" about others."""
    if "than" in reading.words:
        than = reading.words.index("than")
        sides = [_sorts(reading, 0, than), _sorts(reading, than, len(reading.words))]
        return bool(sides[0] & sides[1])
    joined = any(word in _JOINING and reading.is_free(at) for at, word in enumerate(reading.words))
    values = sum(mention.kind == "value" for mention in reading.mentions)
    return joined and (values > 1 or sum(mention.kind == "metric" for mention in reading.mentions) > 1)


def _sorts(reading: Reading, start: int, end: int) -> set[str]:
    """Of which dimensions there are values, and whether there are metrics, between two tokens."""
    inside = [mention for mention in reading.mentions if start <= mention.start < end]
    of_values = {f"value {term.name}" for mention in inside if mention.kind == "value" for term in mention.terms}
    return of_values | {"metric" for mention in inside if mention.kind == "metric"}


def _may_stand(reading: Reading, at: int) -> bool:
    """Whether a small word stands before something that it may lead to."""
    allowed = BEFORE.get(reading.words[at])
    if allowed is None:
        return False
    after = at + 1
    while after < len(reading.words) and (_is_small(reading, after) or reading.role(after) == BACKGROUND):
        if reading.role(after) == BACKGROUND and BACKGROUND in allowed:
            return True
        after += 1
    # A second small word takes over: "for each", "in all", "and by".
    if after < len(reading.words) and reading.is_free(after) and reading.words[after] in BEFORE:
        return True
    role = reading.role(after)
    return role in allowed or (role == SMALL and bool(allowed))


def _is_small(reading: Reading, at: int) -> bool:
    return reading.is_free(at) and (reading.words[at] in FILLERS or reading.words[at] in naming.AGGREGATION_WORDS)


def _has_groups(reading: Reading) -> bool:
    return any(reading.role(at) in ("dimension", "grain") for at in range(len(reading.words)))


def not_known(reading: Reading, words: list[str]) -> Exception:
    """The refusal that names the words, with what they may be a slip of."""
    quoted = " and ".join(f"“{word}”" for word in words[:3])
    reason = f"I don't know what {quoted} {'mean' if len(words[:3]) > 1 else 'means'} in these data."
    near = _near(reading, words[0])
    if near:
        reason += f" Did you mean “{near}”?"
    foreign = not any(word in FILLERS or word in BEFORE or word in naming.LEAVING_OUT.words for word in reading.words)
    if len(words) > 2 and foreign:
        reason += " I understand questions in English."
    return refuse(reason)


def _near(reading: Reading, word: str) -> str:
    found = difflib.get_close_matches(
        word.lower(), reading.context.knowledge.lexicon.surface, n=1, cutoff=_CLOSE_ENOUGH
    )
    return found[0] if len(word) > 3 and found and found[0] != word.lower() else ""

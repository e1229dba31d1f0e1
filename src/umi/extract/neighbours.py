"""What the words around an unknown name say it is: "works at X", "the X project", "X, a startup from Ghent"."""

from umi.extract import lexicon as lex
from umi.extract.tokens import Sentence
from umi.extract.verbs import LEAVE, MANAGE, PERSONAL, kind_of, lemma_of

# (words before, verbs of the clause) -> type; no verbs: any, if the clause has one
_BY_PREPOSITION = (
    (("at", "@"), None, "organization"),
    (("for",), "work intern volunteer freelance consult drive start begin serve fly write", "organization"),
    (("by",), "hire employ recruit acquire buy fund", "organization"),
    (("on",), "work pair collaborate spend be focus", "project"),
    (("to",), "contribute assign commit", "project"),
    (
        ("in", "to", "from", "near"),
        "live move base settle relocate bear grow travel fly drive come reside stay",
        "location",
    ),
    (("in", "with"), "write code program build implement rewrite develop", "topic"),
    (("with",), None, "person"),
    (("by",), "", "person"),
)
_TABLE = {
    before: [
        (None if verbs is None else frozenset(verbs.split()), type_)
        for befores, verbs, type_ in _BY_PREPOSITION
        if before in befores
    ]
    for befores, _, _ in _BY_PREPOSITION
    for before in befores
}
# The verb right before a name -> its type
_BY_VERB = {
    **dict.fromkeys(("join", *LEAVE), "organization"),
    **dict.fromkeys(
        "meet know tell ask call text email marry phone thank help hire introduce message".split(), "person"
    ),
    **dict.fromkeys(MANAGE, "project"),
    **dict.fromkeys(
        "build create develop launch release publish ship debug maintain test design finish".split(), "project"
    ),
    **dict.fromkeys(("found", "own", "coach", "captain"), "organization"),
    **dict.fromkeys("use learn study teach adopt switch master try".split(), "topic"),
}
_HIRES = frozenset("acquire hire employ recruit announce".split())
_ARTICLES = frozenset("a an the our my their his her one another part".split())
_KINDS = (
    (lex.PROJECT_KINDS, "project"),
    (lex.ORG_NOUNS, "organization"),
    (lex.PLACE_NOUNS, "location"),
    (lex.KNOWS_ROLES | lex.JOBS | lex.BOSS_ROLES | frozenset("man woman guy girl boy".split()), "person"),
    (frozenset("language technology technique method framework".split()), "topic"),
)


def type_by_neighbours(sentence: Sentence, i: int, j: int, last_person_end: int) -> str:
    """The type that the words around i to j give an unknown name, or "". `last_person_end`: where a person's name
    before it ends, -1 for none."""
    low = sentence.low
    start = i
    if i and low[i - 1] in ("the", "our", "my", "their"):
        i -= 1
    before = low[i - 1] if i else ""
    after = low[j] if j < len(low) else ""
    if after in lex.PROJECT_FOLLOWERS or before in ("project", "codenamed", "code-named"):
        return "project"
    if after in lex.TOPIC_FOLLOWERS:
        return "topic"
    if before in lex.ORG_NOUNS or before in lex.PLACE_NOUNS:  # "the startup Peatland"
        return _kind(before)
    if before in ("called", "named", "dubbed"):
        return next((kind for word in reversed(low[max(0, i - 6) : i - 1]) if (kind := _kind(word))), "")
    return (
        described(low, j)
        or _by_role(low, i, j, before)
        or _by_preposition(low, i, before, last_person_end)
        or _by_verb_before(i, start, before)
        or _by_what_follows(low, start, j)
    )


def _by_role(low: list[str], i: int, j: int, before: str) -> str:
    """ "my boss X", "the X office", "X's engineer"."""
    after, beyond = [*low[j : j + 2], "", ""][:2]
    if before in lex.ROLES and not (i > 1 and low[i - 2] in ("of", "the")):
        return "person"
    if after in lex.ORG_FOLLOWERS or (after == "'s" and beyond in lex.JOBS and beyond not in lex.ROLES):
        return "organization"
    return ""


def _by_preposition(low: list[str], i: int, before: str, last_person_end: int) -> str:
    if before == "from" and last_person_end == i - 1:
        return "organization"
    if before == "of" and i > 1:
        if low[i - 2] == "charge":
            return "project"
        jobs = low[i - 2] in lex.JOBS or low[i - 2] in ("head", "member", "branch", "part")
        return "organization" if jobs else ""
    if before == "with" and "contract" in low:
        return "organization"
    rules = _TABLE.get(before)
    if rules is None:
        return ""
    lemma = verb_before(low, i)
    for verbs, type_ in rules:
        if verbs is None or lemma in verbs or (not verbs and lemma):
            return type_
    return ""


def _by_verb_before(i: int, start: int, before: str) -> str:
    type_ = _BY_VERB.get(lemma_of(before), "")
    return "" if type_ == "topic" and i != start else type_


def _by_what_follows(low: list[str], i: int, j: int) -> str:
    """ "X acquired Y", "X opened its doors", "X thinks", "X's wedding"."""
    after, beyond = [*low[j : j + 2], "", ""][:2]
    if after == "'s":
        personal = beyond in lex.KNOWS_ROLES or beyond in ("wedding", "birthday", "house", "flat")
        return "person" if personal else ""
    if kind_of(after) not in ("s", "d") or low[i] in lex.OPENERS:
        return ""
    lemma = lemma_of(after)
    if lemma in _HIRES or "its" in low[j + 1 : j + 4]:
        return "organization"
    return "person" if lemma in PERSONAL else ""


def verb_before(low: list[str], i: int) -> str:
    """The lemma of the nearest verb before word i within its clause."""
    for k in range(i - 1, max(-1, i - 7), -1):
        word = low[k]
        if word in (",", ";", ":", "(", "and", "but"):
            return ""
        lemma = "bear" if word == "born" else lemma_of(word)
        if lemma:
            return lemma
    return ""


def described(low: list[str], j: int) -> str:
    """The kind of thing that words right after a name call it: ", a budgeting app", "is our open-source library"."""
    after, article = [*low[j : j + 2], "", ""][:2]
    if after not in (",", "(", "–", "-", "is", "was", "'s", "'re", "became") or article not in _ARTICLES:
        return ""
    if article == "part":
        return "" if lex.PROJECT_FOLLOWERS.isdisjoint(low[j + 1 : j + 8]) else "project"
    return _kind_in(low[j + 2 : j + 7])


def _kind_in(words: list[str]) -> str:
    for word in words:
        if word in (",", "is", "was", ")") or word in lex.PREPOSITIONS:
            return ""
        kind = _kind(word)
        if kind:
            return kind
    return ""


def _kind(word: str) -> str:
    return next((type_ for kinds, type_ in _KINDS if word in kinds), "")

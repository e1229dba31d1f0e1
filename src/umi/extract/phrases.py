"""Where the phrases end that name tasks, preferences, events and fields of study: their words are the names."""

from umi.extract import lexicon as lex
from umi.extract.names import Name
from umi.extract.verbs import FORMS, kind_of, lemma_of

_MARKS = frozenset(',;:()[]–—"“”…*/|')
_SUBORDINATE = frozenset(
    """
        because so while although though whereas since when whenever if unless who which but as whether once then
        until till     otherwise instead anyway however otherwise despite
    """.split()
)
_SUBJECTS = frozenset("i he she they we it you there that this".split())
_TAIL = frozenset(
    """
        first asap soon later now too also please immediately today tomorrow tonight eventually anyway really again
        somehow     quickly urgently already right away lol ugh haha though by on before after until till at the this
        next next_week     for in from and or of to with so very much
    """.split()
)
_DATE_STARTS = frozenset("by before until till on this next after in at within b4".split())
_DATE_WORDS = frozenset(
    """
        monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight yesterday week month year
        weekend     january february march april may june july august september october november december noon
        midnight morning afternoon     evening end eod eow christmas easter then
    """.split()
)
_TASTE_TAIL = frozenset(
    """best most least too also lot very much really a at all so more these days always lately now lol again though
    anyway together every day week morning evening and or the ever most in""".split()
)
_FILLERS = frozenset(
    """
        really very much so quite absolutely truly just also too both such the a an some any all of my our your his
        her their most
    """.split()
)


def is_date_at(low: list[str], i: int) -> bool:
    """Whether the words at i begin a date: "by Friday", "tomorrow", "next week"."""
    word = low[i]
    if word in ("today", "tomorrow", "tonight", "yesterday") or (word in _DATE_WORDS and word in lex.NOT_NAMES):
        return True
    if word not in _DATE_STARTS and word not in ("last", "every", "end"):
        return False
    following = low[i + 1 : i + 4]
    if not following:
        return False
    if following[0] in ("the", "end", "next", "this", "last") and len(following) > 1:
        return following[1] in _DATE_WORDS or following[1] in ("of", "next", "last") or following[1].isdigit()
    return following[0] in _DATE_WORDS or (
        following[0].isdigit() and word in ("by", "before", "until", "on", "at", "in", "after")
    )


def verb_phrase(low: list[str], i: int, begins: dict[int, Name]) -> tuple[int, int]:
    """(end of the phrase that begins at i, where a second one begins after "and", or -1)."""
    j, count = i, len(low)
    while j < count:
        word = low[j]
        if word in _MARKS and not (word == "/" and j > i):
            if word == "," and j > i and kind_of(low[j + 1] if j + 1 < count else "") == "b" and j + 1 not in begins:
                return _trimmed(low, i, j), j + 1
            break
        if j > i:
            if word in _SUBORDINATE or is_date_at(low, j):
                break
            if word in ("and", "&", "then"):
                following = FORMS.get(low[j + 1] if j + 1 < count else "", ("", ""))
                if (
                    following[1] == "b"
                    and j + 1 not in begins
                    and low[j + 1] not in ("plan", "test", "design", "work", "report")
                ):
                    return _trimmed(low, i, j), j + 1
                if _new_clause(low, j + 1, begins):
                    break
            elif word == "before" or (word == "after" and j + 1 < count and low[j + 1] in _SUBJECTS):
                break
        j += 1
    return _trimmed(low, i, j), -1


def object_phrase(low: list[str], i: int, begins: dict[int, Name], stops: frozenset[str]) -> list[tuple[int, int]]:
    """The things liked from word i on: "strong coffee and dark chocolate" is two."""
    count = len(low)
    parts: list[tuple[int, int]] = []
    start = j = i
    while j <= count:
        word = low[j] if j < count else ";"
        ends = word in _MARKS or word in _SUBORDINATE or word in stops or (j > start and is_date_at(low, j))
        joins = word in ("and", "or", "&") or (word == "," and _list_goes_on(low, j, begins))
        if joins or ends:
            if j > start:
                parts.append((start, j))
            if not joins or _new_clause(low, j + 1, begins):
                break
            start = j + 1 + (low[j + 1 : j + 2] == ["and"])
            j = start
            continue
        if word in ("that", "how", "what", "where") and j == start:
            break
        if j > start and word in _SUBJECTS and j not in begins:
            break  # "the book she wrote"
        j += 1
    return [part for part in (_bare(low, a, b) for a, b in parts) if part[0] < part[1]]


def _list_goes_on(low: list[str], j: int, begins: dict[int, Name]) -> bool:
    """Whether a comma divides a list: "tea, coffee and cake"."""
    for k in range(j + 1, min(len(low), j + 6)):
        if low[k] in ("and", "or", "&"):
            return not _new_clause(low, k + 1, begins) and k > j + 1 and low[j + 1] not in _SUBJECTS
        if low[k] in _MARKS or low[k] in lex.AUXILIARIES or low[k] in _SUBORDINATE:
            return False
    return False


def _new_clause(low: list[str], k: int, begins: dict[int, Name]) -> bool:
    """Whether the words from k on are a clause of their own: a subject and its verb."""
    if k >= len(low):
        return True
    word = low[k]
    if word in _SUBJECTS or word in _SUBORDINATE or word in ("now", "then", "also"):
        return True
    name = begins.get(k)
    after = name.j if name is not None else k + 1
    if word in lex.OWNERS or word in ("my", "our", "the"):
        return any(FORMS.get(w, ("", ""))[1] == "s" or w in lex.AUXILIARIES for w in low[k + 1 : k + 5])
    following = low[after] if after < len(low) else ""
    if name is not None:
        return (
            following in lex.AUXILIARIES
            or FORMS.get(following, ("", ""))[1] in ("s", "d", "b")
            or following in lex.ADVERBS
        )
    return FORMS.get(word, ("", ""))[1] in ("s", "d") or word in (
        "ca",
        "do",
        "is",
        "are",
        "was",
        "has",
        "does",
        "ca",
        "never",
    )


def _trimmed(low: list[str], i: int, j: int) -> int:
    while j > i and (
        low[j - 1] in _TAIL or low[j - 1] in lex.INTERJECTIONS or low[j - 1] in _MARKS or not low[j - 1][0].isalnum()
    ):
        j -= 1
    return j


def _bare(low: list[str], i: int, j: int) -> tuple[int, int]:
    """Without words of degree and time on either side."""
    while i < j and (low[i] in _FILLERS or low[i] in ("when", "it", "comes")):
        i += 1
    while j > i and (
        low[j - 1] in _TASTE_TAIL
        or low[j - 1] in lex.INTERJECTIONS
        or low[j - 1] == "'s"
        or not (low[j - 1][0].isalnum() or low[j - 1][-1] in "+#")
    ):
        j -= 1
    return i, j


_HOLDS = frozenset(
    """
        have attend go run host hold organize organise plan win lose miss skip undergo play give speak present join
    """.split()
)


def events(low: list[str], names: list[Name]) -> list[Name]:
    """The occasions a sentence speaks of, without those that only modify another word ("a meeting room")."""
    found: list[Name] = []
    if lex.EVENTS.isdisjoint(low):
        return found
    named = {k for name in names for k in range(name.i, name.j) if name.type}
    somebody = any(name.type in ("person", "organization") for name in names) or not lex.FIRST_PERSON.isdisjoint(low)
    dated = _dated(low)
    for j, word in enumerate(low):
        if word not in lex.EVENTS or j in named:
            continue
        after = low[j + 1] if j + 1 < len(low) else ""
        if after in lex.MODIFIED_BY_EVENT or after in lex.EVENTS:
            continue
        i = _first_modifier(low, j, named)
        if _is_occasion(low, i, j, somebody=somebody, dated=dated):
            found.append(Name(i, j + 1, "event", sure=True))
    return found


def _is_occasion(low: list[str], i: int, j: int, *, somebody: bool, dated: bool) -> bool:
    """Whether the noun at j, with its words from i on, is one occasion rather than a kind of thing."""
    word = low[j]
    if i == 0:  # "Dentist appointment tomorrow at three"
        fragment = not any(one in lex.AUXILIARIES or one in FORMS for one in low[j + 1 :])
        return fragment and (dated or low[j + 1 : j + 2] == ["with"]) and word not in FORMS
    before = low[i - 1]
    if before in _ORDINALS and i > 1 and (low[i - 2] in lex.DETERMINERS or low[i - 2] == "'s"):
        before = low[i - 2]
    owned = before in lex.OWNERS or before in ("my", "our", "'s", "'")
    held = lemma_of(before) in _HOLDS
    if not (owned or held or before in ("a", "an", "the", "this", "next", "last")) or (held and word in FORMS):
        return False
    if word in lex.WEAK_EVENTS:
        return owned or dated or (i > 1 and lemma_of(low[i - 2]) in _HOLDS) or held
    return owned or somebody or dated or before in ("the", "this")


_ORDINALS = frozenset("first second third last next big new own great".split())


def _dated(low: list[str]) -> bool:
    return any(is_date_at(low, k) for k in range(len(low))) or "ago" in low


def _first_modifier(low: list[str], j: int, named: set[int]) -> int:
    """How far the words before a noun belong to it: "my dentist appointment" without "my"."""
    i = j
    while i and j - i < 4:
        word = low[i - 1]
        if not word[0].isalnum() or word in lex.DETERMINERS or word in lex.PREPOSITIONS or word in lex.CONJUNCTIONS:
            break
        if (
            word in lex.PRONOUNS
            or word in lex.AUXILIARIES
            or word in lex.NEGATIONS
            or word in lex.ADVERBS
            or word in lex.UNREAL
        ):
            break
        if (
            word in ("last", "next", "first", "second", "third", "big", "great", "own", "new")
            or word in _DATE_WORDS
            or i - 1 in named
        ):
            break
        form = FORMS.get(word, ("", ""))[1]
        if form in ("s", "d", "n", "b") and not (i > 1 and (low[i - 2] in lex.DETERMINERS or low[i - 2] == "'s")):
            break
        if form == "g" and i > 1 and (low[i - 2] in lex.AUXILIARIES or low[i - 2] in lex.PRONOUNS):
            break
        i -= 1
    return i


_NO_FIELD = (
    lex.ADVERBS
    | lex.PREPOSITIONS
    | lex.CONJUNCTIONS
    | lex.AUXILIARIES
    | lex.PRONOUNS
    | frozenset(
        """
            lot lots more how what why when where who that which something things everything new hard part role game
            games trick     music nothing anything it this these those all some well for people kids children students
            full-time part-time day days     together outside abroad online daily classes tricks lesson one ones much
            many two three four five other others while few
        """.split()
    )
)
_FIELD_TAIL = frozenset("lessons lesson classes class course courses skills theory exam".split())


def field(low: list[str], i: int, begins: dict[int, Name]) -> tuple[int, int] | None:
    """The field, sport or instrument that begins at word i, after "learn", "play", "a degree in"."""
    while i < len(low) and low[i] in ("the", "a", "an", "some", "bit", "little", "of"):
        i += 1
    j = i
    while j < len(low) and j - i < 3 and j not in begins:
        word = low[j]
        if (
            not word[0].isalpha()
            or word in _NO_FIELD
            or word in lex.DETERMINERS
            or word in _DATE_WORDS
            or word in lex.EVENTS
        ):
            break
        if (
            word in lex.OWNERS
            or word in lex.NEGATIONS
            or FORMS.get(word, ("", ""))[1] in ("s", "d", "n")
            or word in lex.ROLES
        ):
            break
        j += 1
    while j > i + 1 and low[j - 1] in _FIELD_TAIL:
        j -= 1
    return (i, j) if j > i and low[i] not in _FIELD_TAIL else None


def projects(low: list[str], names: list[Name]) -> list[Name]:
    """ "the kitchen renovation project": named by common nouns before the word project."""
    if "project" not in low and "initiative" not in low:
        return []
    found: list[Name] = []
    named = {k for name in names for k in range(name.i, name.j)}
    for j, word in enumerate(low):
        if word not in ("project", "initiative") or j in named or j - 1 in named:
            continue
        i = _first_modifier(low, j, named)
        before = low[i - 1] if i else ""
        if i < j and (before in ("the", "our", "my", "his", "her", "their", "'s", "a") or before in lex.PREPOSITIONS):
            found.append(Name(i, j, "project", sure=True))
    return found

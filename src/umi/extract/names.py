"""Finding the names in a sentence and, where lists or neighbours tell, what kind of thing each names."""

from umi.extract import lexicon as lex
from umi.extract.gazetteer import Gazetteer
from umi.extract.neighbours import described, type_by_neighbours, verb_before
from umi.extract.tokens import Sentence
from umi.extract.verbs import FORMS, LEAVE, VISIT, lemma_of

_OF = frozenset(("of", "for"))
_PARTICLES = frozenset("de van von der den del della da dos di du la le al bin ibn el ter ten zu".split())
_SPEAKS_OF_TOPIC = frozenset("use learn study teach adopt switch master try write code program speak".split())
_MEETS = frozenset(
    "meet know tell ask call text email marry date phone thank help hire introduce message invite greet".split()
)
_LATER_VERBS = frozenset("is was has will can 'll does did and".split())


class Name:
    """Words i to j (exclusive) of a sentence that name something; `type` is "" while nothing says what.

    first where it begins with its title, "Dr."
    sure  its type comes from a list or its own words, not from a neighbour
    """

    __slots__ = ("first", "gender", "i", "j", "sure", "title", "type")

    def __init__(self, i: int, j: int, type_: str = "", gender: str = "", *, sure: bool = False) -> None:
        self.i, self.j, self.type, self.gender, self.sure, self.title = i, j, type_, gender, sure, False
        self.first = i


class Spotter:
    """`known` maps the words of names that memory holds already to their types; they count where lists are silent."""

    def __init__(self, lists: Gazetteer, known: dict[tuple[str, ...], str]) -> None:
        self._lists = lists
        self._known = known
        self._longest_known = {words[0]: len(words) for words in sorted(known, key=len)}

    def names(self, sentence: Sentence) -> list[Name]:
        """All names, in order; those that nothing explains have no type."""
        words, low = sentence.words, sentence.low
        capitals = _capitals_tell(words)
        found: list[Name] = []
        i, count = 0, len(words)
        while i < count:
            name = None
            if capitals and words[i][0].isupper():
                name = self._run(words, low, i)
            elif self._longest(low[i]):
                name = self._listed(words, low, i, count, loose=not capitals)
            if name is None and not capitals and i and low[i].isalpha():
                name = self._loose_person(low, i)
            if name is None:
                i += 1
            else:
                found.append(name)
                i = name.j
        person_end = -1
        for name in found:
            if not name.type:
                name.type = type_by_neighbours(sentence, name.i, name.j, person_end)
            person_end = name.j if name.type == "person" else -1
        return found

    def _longest(self, word: str) -> int:
        """How many words the longest name has that is listed or known and begins with this one; 0 if none does."""
        return max(self._lists.longest.get(word, 0), self._longest_known.get(word, 0))

    def _run(self, words: list[str], low: list[str], i: int) -> Name | None:
        """The name that begins at a word with a capital."""
        first = low[i]
        if first == "eve" and i and low[i - 1] in ("'s", "christmas"):
            return None
        opening = i == 0 or low[i - 1] in (":", '"', "“", "(", "-", "–", "•", "*")
        title = first in lex.TITLES and i + 1 < len(words) and (words[i + 1][0].isupper() or words[i + 1] == ".")
        if (title and first not in ("captain", "judge", "major")) or (title and opening):
            return self._titled(words, low, i)
        if first in lex.NOT_NAMES or (opening and self._ordinary(words, low, i)):
            if self._longest(first) and first not in lex.FIRST_PERSON:
                listed = self._listed(words, low, i, len(words), loose=False)
                if listed is not None and listed.j - i > 1:
                    return listed
            return None
        j = self._extent(words, low, i)
        name = self._classified(words, low, i, j)
        if not name.type and opening and j - i == 1:
            name.sure = False
        return name

    def _ordinary(self, words: list[str], low: list[str], i: int) -> bool:
        """Whether a sentence's first word is an ordinary one, though it has a capital."""
        word = low[i]
        k = i + 1
        while k + 1 < len(low) and low[k] in lex.ADVERBS and low[k] != "'s":
            k += 1
        following = low[k] if k < len(low) else ""
        if self._lists.gender(word) and (word in self._lists.ambiguous or word in lex.OPENERS or word in FORMS):
            surname = k == i + 1 < len(words) and words[k][0].isupper() and not self._lists.gender(following)
            return not (
                (surname and following not in lex.NOT_NAMES)
                or (following in _LATER_VERBS and low[i + 1] == following)
                or following in ("'s", ",", "n't", "will", "is", "was", "has")
                or FORMS.get(following, ("", ""))[1] in ("s", "d")
            )
        if (word,) in self._known:
            return False
        if word in lex.OPENERS or word in FORMS or word in lex.PREPOSITIONS or word in lex.ADVERBS:
            return not (len(words) > i + 1 and words[i + 1][0].isupper() and words[i].isupper() and len(word) > 1)
        gender = self._lists.gender(following)
        return bool(
            gender and k == i + 1 and words[k][0].isupper() and not self._lists.gender(word) and not self._longest(word)
        )

    def _titled(self, words: list[str], low: list[str], i: int) -> Name | None:
        start = i + 1
        if words[start : start + 1] == ["."]:
            start += 1
        if start >= len(words) or not words[start][0].isupper() or low[start] in lex.NOT_NAMES:
            return None
        name = Name(start, self._extent(words, low, start), "person", sure=True)
        name.gender = {"mr": "m", "sir": "m", "uncle": "m", "herr": "m"}.get(low[i], "")
        if low[i] in ("mrs", "ms", "miss", "lady", "aunt", "auntie", "madam", "frau", "dame"):
            name.gender = "f"
        name.gender = name.gender or self._lists.gender(words[start]) or "e"
        name.title, name.first = True, i
        return name

    def _extent(self, words: list[str], low: list[str], i: int) -> int:
        """Where the run of capitals that begins at i ends."""
        j, count = i + 1, len(words)
        head = low[i]
        while j < count:
            word = words[j]
            capital = word[0].isupper() and low[j] not in lex.NOT_NAMES
            if capital or (word.isdigit() and len(word) <= 3 and j == count - 1 and not self._lists.gender(head)):
                j += 1
                continue
            after = words[j + 1] if j + 1 < count else ""
            if not (after and after[0].isupper()) or low[j + 1] in lex.NOT_NAMES:
                break
            joins = low[j] in _PARTICLES or low[j] == "&"
            joins = joins or (
                low[j] in _OF and (head in lex.ORG_BEFORE or head in lex.PLACE_BEFORE or low[j - 1] in lex.ORG_SUFFIXES)
            )
            joins = joins or (word == "." and (low[j - 1] in ("st", "mt", "ft") or len(low[j - 1]) == 1))
            joins = joins or (
                low[j] == "'s"
                and (low[j + 1] in lex.ORG_SUFFIXES or low[j + 1] in lex.PLACE_SUFFIXES)
                and not self._longest(low[j - 1])
                and (head in ("st", "saint", "children", "king", "queen") or j - i == 1)
            )
            if low[j] == "&" and self._lists.gender(head) and self._lists.gender(words[j + 1]):
                joins = False
            if not joins:
                break
            j += 2
        return j

    def _listed(self, words: list[str], low: list[str], i: int, end: int, *, loose: bool) -> Name | None:
        """The longest listed name that begins at i."""
        lists = self._lists
        for j in range(min(end, i + self._longest(low[i])), i, -1):
            key = tuple(low[i:j])
            type_ = self._known.get(key) or lists.names.get(key)
            if type_ is None and words[i][0].isupper():
                exact = lists.exact.get(" ".join(words[i:j]))
                type_ = exact[0] if exact else None
                before = FORMS.get(low[i - 1], (low[i - 1],))[0] if i else ""
                if type_ == "topic" and (before in ("at", "join") or before in LEAVE):
                    type_ = "organization"  # Notion, Figma: a tool, and who makes it
                elif exact and len(exact) > 1 and before in ("at", "for", "from"):
                    type_ = next((one for one in exact if one == "organization"), type_)
            if (
                type_ is None
                and loose
                and i
                and low[i - 1] in ("at", "for", "from", "joined", "join", "using", "use", "in")
            ):
                exact = lists.exact.get(" ".join(words[i:j]).title())
                type_ = exact[0] if exact else None
            if type_ is None or (words[i].islower() and not loose and type_ in _NEED_CAPITALS):
                continue
            if type_ == "topic" and (_as_adjective(low, j) or _as_nationality(low, i, j)):
                return None
            if low[i] in lex.FIRST_PERSON or (low[i] in lex.PRONOUNS and words[i].islower()):
                continue
            return Name(i, j, _PLACES.get(type_, type_), sure=True)
        return None

    def _classified(self, words: list[str], low: list[str], i: int, j: int) -> Name:
        """The type of a run of capitals by its own words."""
        after = low[j] if j < len(low) else ""
        if after in lex.PROJECT_FOLLOWERS and i and (low[i - 1] in lex.DETERMINERS or low[i - 1] in ("'s", "on")):
            return Name(i, j, "project", sure=True)
        gender = self._lists.gender(words[i])
        listed = self._listed(words, low, i, j, loose=False) if self._longest(low[i]) else None
        if listed is not None and listed.j == j:
            if gender and j - i == 1 and self._rather_person(listed.type, low, i, after):
                return Name(i, j, "person", gender, sure=True)
            listed.gender = gender or "e" if listed.type == "person" else ""
            return listed
        own = _by_own_words(low, i, j)
        if not own and any(word.endswith(("Con", "Conf", "Fest")) and len(word) > 4 for word in words[i:j]):
            own = "event"
        if own and not (low[j - 1] in ("kings", "sons") and gender):
            return Name(i, j, own, sure=True)
        if gender:
            if listed is not None and _place_before(low, i):
                return listed
            told = described(low, j) if j - i == 1 and self._lists.gender(words[i]) else ""
            if told and told != "person":  # "Raven is our new billing service"
                return Name(i, j, told, sure=True)
            return Name(i, j, "person", gender, sure=True)
        before_event = listed is not None and listed.type == "location" and low[listed.j] in lex.EVENT_SUFFIXES
        return listed if listed is not None and before_event else Name(i, j)

    def _rather_person(self, type_: str, low: list[str], i: int, after: str) -> bool:
        """Whether a name that is a person's too names one here: Sofia, Ruby."""
        if type_ == "location":
            if described(low, i + 1) == "location":
                return False
            return not _place_before(low, i) and not self._rather_place(low, i, i + 1)
        return type_ == "topic" and not _topic_before(low, i) and after not in lex.TOPIC_FOLLOWERS

    def _rather_place(self, low: list[str], i: int, j: int) -> bool:
        """Whether Paris or Jordan, with nothing before that decides, is the place."""
        if low[i] not in _PLACES_FIRST:
            return False
        after = low[j] if j < len(low) else ""
        if lemma_of(after) == "be" and after != "'s":
            return described(low, j) != "person"
        return (
            after != "'s"
            and FORMS.get(after, ("", ""))[1] not in ("s", "d")
            and (low[i - 1] if i else "") not in lex.ROLES | {"with"}
        )

    def _loose_person(self, low: list[str], i: int) -> Name | None:
        """A given name in a text without capitals, where a neighbour speaks of a person."""
        word = low[i]
        gender = self._lists.given.get(word, "")
        if (
            not gender
            or len(word) < 3
            or word in FORMS
            or word in lex.OPENERS
            or word in lex.ADVERBS
            or word in lex.EVENTS
        ):
            return None
        if (
            word in lex.ROLES
            or word in lex.PREPOSITIONS
            or word in lex.NOT_NAMES
            or word in lex.JOBS
            or word in self._lists.ambiguous
        ):
            return None
        before = low[i - 1]
        after = low[i + 1] if i + 1 < len(low) else ""
        known = (
            before in lex.ROLES
            or FORMS.get(before, ("", ""))[0] in _MEETS
            or before
            in ("with", "w/", "met", "im", "its", "'m", "'s", "tell", "ask", "told", "called", "by", "and", "saw")
        )
        if known or after in ("'s", "works", "lives", "said", "says", "likes", "loves", "told", "hates", "thinks"):
            return Name(i, i + 1, "person", gender)
        return None


_ORDINARY = frozenset(FORMS) | lex.OPENERS | lex.ADVERBS | lex.PREPOSITIONS | lex.DETERMINERS | lex.AUXILIARIES
_JOURNEYS = frozenset("trip flight train back bus journey ferry road".split())
_PLACES_FIRST = frozenset(
    """
        paris london berlin sydney vienna milan rome madrid israel asia brooklyn orlando dallas austin houston denver
        lima santiago     chelsea virginia georgia carolina cairo india adelaide melbourne memphis verona
    """.split()
)
_NEED_CAPITALS = frozenset(("person", "organization", "project", "city", "region", "location", "event"))
_PLACES = {"city": "location", "region": "location"}


def _capitals_tell(words: list[str]) -> bool:
    """Whether capitals mean anything here: not in "WE ARE MOVING", "Everything Takes Longer", "im at globex now"."""
    longer = [word for word in words[1:] if len(word) > 2 and word[0].isalpha()]
    capital = sum(1 for word in longer if word[0].isupper())
    if not capital:
        return bool(words) and words[0][0].isupper()
    if words[0].isupper() and len(longer) > 1 and all(word.isupper() for word in longer):
        return False
    if capital < 0.5 * len(longer):
        return True
    ordinary = [word[0].isupper() for word in longer if word.lower() in _ORDINARY]
    return sum(ordinary) < 2 or 2 * sum(ordinary) < len(ordinary)


def _by_own_words(low: list[str], i: int, j: int) -> str:
    last, first = low[j - 1], low[i]
    if j - i == 1:
        return ""
    if last in lex.EVENT_SUFFIXES:
        return "event"
    if "&" in low[i:j] or last in lex.ORG_SUFFIXES or (first in lex.ORG_BEFORE and "of" in low[i:j]):
        return "organization"
    if last in lex.PLACE_SUFFIXES or first in lex.PLACE_BEFORE:
        return "location"
    return ""


def _place_before(low: list[str], i: int) -> bool:
    """Whether the words before a name that people and places share speak of a place."""
    before = low[i - 1] if i else ""
    if before in ("in", "near", "around", "outside", "across") or FORMS.get(before, ("", ""))[0] in (
        "leave",
        "visit",
        "tour",
        "explore",
    ):
        return True
    if before in ("to", "from") and i > 1:
        verb = verb_before(low, i)
        if verb in ("move", "relocate", "be", "come", "fly", "drive", "travel") or low[i - 2] in _JOURNEYS:
            return True
        return before == "to" and verb in VISIT
    return False


def _topic_before(low: list[str], i: int) -> bool:
    """Whether the words before a name that people and technologies share speak of a technology."""
    before = low[i - 1] if i else ""
    if FORMS.get(before, ("", ""))[0] in _SPEAKS_OF_TOPIC or before in ("using", "via"):
        return True
    if before in ("in", "with", "to", "from", "and", "or", ","):
        return verb_before(low, i) in (
            "write",
            "code",
            "program",
            "build",
            "implement",
            "rewrite",
            "develop",
            "switch",
            "use",
            "migrate",
            "learn",
        )
    return False


def _as_adjective(low: list[str], j: int) -> bool:
    """Whether the word after a language or a tool makes it an adjective: "a French bakery"."""
    if j >= len(low):
        return False
    word = low[j]
    if (
        not word.isalpha()
        or word in lex.TOPIC_FOLLOWERS
        or word in ("teacher", "tutor", "lecturer", "speaker", "developer", "expert")
    ):
        return False
    if word in lex.PREPOSITIONS or word in lex.CONJUNCTIONS or word in lex.ADVERBS or word in lex.AUXILIARIES:
        return False
    return tuple(low[j - 1 : j]) in _NATIONS and word not in FORMS and word not in lex.PRONOUNS


def _as_nationality(low: list[str], i: int, j: int) -> bool:
    """ "I'm Finnish", "she is half Greek"."""
    if low[i:j] == [] or tuple(low[i:j]) not in _NATIONS:
        return False
    if i and low[i - 1] in ("not", "n't", "also", "actually", "originally", "half"):
        i -= 1
    before = low[i - 1] if i else ""
    return before in ("am", "'m", "is", "are", "'s", "'re", "was", "half", "originally", "being") or before in (
        "a",
        "an",
        "the",
    )


_NATIONS = frozenset(
    (word,)
    for word in """
        english spanish french german italian portuguese dutch swedish norwegian danish finnish icelandic polish czech
        slovak hungarian romanian bulgarian serbian croatian slovenian ukrainian russian greek turkish arabic persian
        thai vietnamese     indonesian malay chinese japanese korean mongolian tibetan irish welsh basque catalan
        estonian latvian lithuanian albanian     maltese armenian georgian latin nepali maori hawaiian
    """.split()
)

"""What somebody likes, and what somebody learns, plays or teaches."""

from umi.extract import lexicon as lex
from umi.extract.discourse import Thing
from umi.extract.phrases import field, object_phrase
from umi.extract.state import ClauseState
from umi.extract.verbs import FORMS, lemma_of

# Words after "be" or "have" that say what somebody likes, or doesn't.
_TASTES = {
    tuple(words.split()): words in ("sick of", "tired of", "scared of", "afraid of")
    for words in (
        *("fan of", "fans of", "fond of", "keen on", "crazy about", "mad about", "obsessed with", "passionate about"),
        *("addicted to", "partial to", "into", "weakness for", "hooked on", "soft spot for", "care for"),
        *("sick of", "tired of", "scared of", "afraid of"),
    )
}
TASTE_FIRST = frozenset(words[0] for words in _TASTES)
_LIKE_STOPS = frozenset("than over to when if because for with".split())
_PLAIN_STOPS = frozenset("than over when if because".split())
_IS = frozenset(("is", "are", "was", "were", "'s", ":"))


class Tastes(ClauseState):
    def likes(self, i: int, verb_before: str) -> bool:
        """Whether a verb of liking states a taste: not "would like to", nor "looks like"."""
        if self.low[i] in ("like", "likes", "liked") and verb_before in (
            "look",
            "sound",
            "feel",
            "seem",
            "taste",
            "be",
        ):
            return False
        return bool(self.subject) and self.real and self.word(i + 1) not in ("it", "you")

    def taste(self, i: int) -> int:
        """ "is fond of jazz": where to go on, -1 if no such words begin at i."""
        for size in (1, 2, 3):
            words = tuple(self.low[i : i + size])
            of_verb = self.verb in ("be", "have", "get", "become", "do") or words == ("care", "for")
            if words in _TASTES and self.subject and self.real and of_verb:
                return self.prefer(i + size, disliked=_TASTES[words])
        return -1

    def prefer(self, i: int, *, disliked: bool) -> int:
        """The preferences of the subject that begin at word i; returns where to go on."""
        word = self.word(i)
        if (word in lex.PRONOUNS or word in ("that", "how")) and word not in lex.OWNERS:
            return i
        if word in ("most", "best", "least") and self.word(i + 1) in ("is", "are"):
            i += 2  # "what I like most is …"
        stops = _LIKE_STOPS if lemma_of(self.low[i - 1]) == "prefer" else _PLAIN_STOPS
        parts = object_phrase(self.low, i + 1 if word == "to" else i, self.begins, stops)
        things = []
        for a, b in parts:
            name = self.begins.get(a)
            whole = name is not None and name.j >= b
            if whole and name is not None and name.type == "person":
                continue
            things.append(self.phrase(a, b, "preference", 0.8))
            if not whole:
                self.inside(a, b)
        self.relate(self.subject, "prefers", things, negated=(self.neg or self.fresh_neg) != disliked)
        self.fresh_neg = False
        self.prep = self.noun = ""
        return self._over(parts[-1][1]) if parts else i

    def _over(self, i: int) -> int:
        """B of "A over B" is a name or nothing, and the subject claims nothing of it."""
        if self.word(i) not in ("over", "to", "than"):
            return i
        j = i + 1
        while j < len(self.low) and self.low[j] not in (",", ";", "because", "but"):
            j += 1
        self.inside(i + 1, j)
        return j

    def favourite(self, i: int, owners: list[Thing] | None = None) -> int:
        """ "My favourite tea is oolong", "oolong is my favourite (tea)"."""
        low = self.low
        owners = self.subject if owners is None else owners
        before = self.word(i - 1)
        if self.verb == "be" and not self.boundary and self.be_at >= i - 3 and (before in _OWNING):
            return self._favoured(i, owners)
        k = i + 1
        while k < len(low) and k - i < 5 and low[k] not in _IS and low[k][0].isalnum():
            k += 1
        if self.word(k) not in _IS:
            return i + 1
        self.subject, self.neg, self.boundary = owners, False, False
        return self.prefer(k + 1, disliked=False)

    def _favoured(self, i: int, owners: list[Thing]) -> int:
        """What stands before the verb is the favourite: "oolong is my favourite tea"."""
        of_another = bool(self.subject) and self.subject != owners and self.subject[0].type in ("person", "self")
        if not self.real or not owners or of_another:
            return i + 1
        start = self.clauses[-1] if self.clauses[-1] < self.be_at else 0
        for a, b in object_phrase(self.low, start, self.begins, _PLAIN_STOPS)[:3]:
            if a < min(b, self.be_at):
                thing = self.phrase(a, min(b, self.be_at), "preference", 0.8)
                self.relate(owners, "prefers", [thing])
        return i + 1

    def field_after(self, i: int) -> int:
        """ "learn Spanish", "taught me piano", "play the trumpet", "major in geophysics"; -1 for nothing."""
        low, verb = self.low, FORMS[self.low[i]][0]
        k = i + 1
        pupils: list[Thing] = []
        if self.word(k) in lex.PRONOUNS and low[k] not in lex.IT:
            pupils = self.discourse.meant_by(low[k])
            k += 1
        elif self.person_at(k) and verb in ("teach", "tutor"):
            pupils = [self.thing(self.begins[k])]
            k = self.begins[k].j
        while self.word(k) in ("more", "about") or (self.word(k) == "in" and verb == "major"):
            k += 1
        pupils = [one for one in pupils if one not in self.subject]
        name = self.begins.get(k)
        if name is None:
            return self.fields(k, pupils)
        if pupils and name.type == "topic":
            self._learn([*self.subject, *pupils], [self.thing(name)])
            return name.j
        return k if pupils else -1

    def fields(self, k: int, pupils: list[Thing] | None = None) -> int:
        """The fields that begin at word k are of the subject, and of its pupils; -1 for none."""
        span = field(self.low, k, self.begins)
        if span is None:
            return -1
        things: list[Thing] = []
        while span is not None:
            if self.real or self.low[span[0]] not in FORMS:
                things.append(self.phrase(*span, "topic", 0.6))
            end = span[1]
            more = self.word(end) in ("and", ",") and not self._clause_at(end + 1)
            span = field(self.low, end + 1, self.begins) if more else None
        self._learn([*self.subject, *(pupils or [])], things)
        if self.real:  # "a lecturer in statistics at …" is still a lecturer
            self.noun = self.noun if self.verb in ("be", "have", "get", "do") else ""
        return end

    def _clause_at(self, k: int) -> bool:
        return any(word in lex.AUXILIARIES or word in FORMS for word in self.low[k : k + 3])

    def _learn(self, learners: list[Thing], things: list[Thing]) -> None:
        for one in learners:
            for thing in things:
                if self.real and one.type in ("person", "self", "organization", "project"):
                    self.discourse.claim(one, "relates_to", thing, negated=self.neg)


_OWNING = frozenset(("my", "our", *lex.OWNERS, "'s"))

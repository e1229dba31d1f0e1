"""Walking through a sentence from left to right, word by word: who does what with whom, and what is denied.

The layers below each know one thing: state.py what is understood so far, tastes.py and duties.py what is liked and what
is to be done, ties.py what belongs to whom, grouping.py what part a name plays.
"""

from collections.abc import Callable

from umi.extract import lexicon as lex
from umi.extract import tasks
from umi.extract.grouping import Grouping
from umi.extract.tastes import TASTE_FIRST
from umi.extract.verbs import ALSO_PARTICIPLES, DISLIKE, FORMS, LIKE, TOPIC_OBJECT, kind_of

_STICKY = frozenset("if whether unless wish wishes wished supposing suppose imagine wonder wondering wonders".split())
_WISHES = frozenset("want hope wish plan try dream aim intend apply love like prefer consider".split())
_TIES = frozenset(
    """friends siblings colleagues married engaged dating cousins sisters brothers neighbours neighbors twins partners
    flatmates roommates teammates classmates coworkers couple together divorced related""".split()
)
_TIE_VERBS = frozenset("date marry engage divorce meet befriend pair collaborate share".split())
_BEFORE_BASE = (
    lex.PRONOUNS
    | lex.AUXILIARIES
    | lex.ADVERBS
    | lex.NEGATIONS
    | lex.CONJUNCTIONS
    | lex.UNREAL
    | lex.INTERJECTIONS
    | frozenset(("to", "", ",", ":", "-", ";", "w/", "that", "dont", "doesnt", "let", "'d", "2"))
)
_GIVES = frozenset("ask tell instruct order request assign give hand allocate expect require remind".split())
_FIELD_NOUNS = frozenset(
    """phd degree master masters bachelor bachelors professor lecturer diploma interested expert course courses major
    majoring doctorate msc bsc lessons specialist specialising specializing teacher""".split()
)
_IS_BEFORE = lex.PRONOUNS | frozenset(("that", "there", "here", "who", "what", "name"))
_IS_AFTER = (
    lex.DETERMINERS
    | lex.PREPOSITIONS
    | lex.NEGATIONS
    | frozenset(("now", "still", "already", "also", "been", "really", "never", "just", ""))
)
_DO = frozenset("do does did am is are was have has can will".split())
_NOT_HER = lex.DETERMINERS | lex.PREPOSITIONS | lex.CONJUNCTIONS | lex.ADVERBS
_LIKING_BEFORE = frozenset("n't not really also always never still all both to dont doesnt realy".split())
_NOUN_BEFORE = lex.DETERMINERS | (lex.PREPOSITIONS - {"to", "w/"}) | {"'s", "no"}
_PAST_NOUN_BEFORE = lex.DETERMINERS - {"that", "this", "these", "those"}


class Walker(Grouping):
    """Every step reads the word at i and returns where to go on."""

    def walk(self) -> None:
        low, begins, count = self.low, self.begins, len(self.low)
        i = 0
        if low[:3] == ["to", "do", ":"] and count > 3:
            i = self.add_task(3, [self.discourse.me])
        while i < count:
            name = begins.get(i)
            if name is not None:
                i = self.named(name)
                continue
            word = low[i]
            step = _STEPS.get(word)
            if step is not None:
                i = step(self, i)
            elif word in FORMS:
                i = self.verb_at(i)
            else:
                i = self.noun_at(i)

    def noun_at(self, i: int) -> int:
        word = self.low[i]
        if word in _NOUNS_THAT_SAY_MORE:
            after = self._telling_noun(i)
            if after > 0:
                return after
        elif not word[0].isalnum():
            return i + 1
        self.noun = word
        if self.boundary:
            self.noun_subject = True
        return i + 1

    def _telling_noun(self, i: int) -> int:
        """Nouns and adjectives that begin something: "fan of", "task:", "favourite", "PhD in"; -1 if not."""
        word = self.low[i]
        if word in _TIES and self.verb in ("be", "get", "become", "stay", "have") and not self.boundary:
            self.tie(i)
        if word in ("here", "speaking"):
            return i + 1
        if word in ("favourite", "favorite"):
            return self.favourite(i)
        if word == "born":
            self.verb, self.prep = "bear", ""
            return i + 1
        if word == "up" and self.word(i + 1) == "to" and self.word(i + 3) == "to":
            name = self.begins.get(i + 2)
            doers = [self.thing(name)] if name is not None else self.discourse.meant_by(self.word(i + 2))
            return self.add_task(i + 4, doers) if doers else -1
        if word in lex.ROLES or word == "nothing":
            return self._role_of_subject(i)
        after = self.taste(i) if word in TASTE_FIRST else -1
        if after < 0 and word in _TASK_WORDS:
            after = self.task(i)
        return after if after > 0 else self._field_of(i)

    def _role_of_subject(self, i: int) -> int:
        """ "is a friend of mine", "has two sisters, Ann and Bea"; and what there is none of."""
        word = self.low[i]
        if word == "nothing":
            self.neg = self.neg or self.verb == "have"
        elif self.verb == "be" and self.word(i + 1) == "of" and self.word(i + 2) in lex.FIRST_OWNER:
            self.link(self.subject, [self.discourse.me], word, negated=self.neg)
            return i + 3
        elif self.verb == "have" and self.subject and self.subject[0].type in ("person", "self"):
            self.role = (self.subject, word, False)
        return self._field_of(i)

    def _field_of(self, i: int) -> int:
        """ "a PhD in physics"; -1 if no field follows."""
        if self.low[i] not in _FIELD_NOUNS or self.word(i + 1) not in ("in", "of"):
            return -1
        self.noun = self.low[i]
        return self.fields(i + 2)

    def skip(self, i: int) -> int:
        if self.low[i] == "rather" and self.word(i - 1) == "'d" and self.subject:
            return self.prefer(i + 1, disliked=False)
        return i + 1

    def contracted(self, i: int) -> int:
        """ "im", "dont" as they are typed in haste."""
        if self.low[i] == "im":
            self.become_subject([self.discourse.me], i)
            self.be(i)
        else:
            self.finite()
            self.fresh_neg = True
        return i + 1

    def preposition(self, i: int) -> int:
        word = self.low[i]
        if word == "like" and self._likes_here(i):
            return self.verb_at(i)
        if word == "into" and self.be_at >= i - 3:
            after = self.taste(i)
            if after > 0:
                return after
        self.prep, self.prep_at = word, i
        self.before_prep, self.noun = self.noun, ""
        return i + 1

    def _likes_here(self, i: int) -> bool:
        """Whether "like" is the verb: after its subject, or what may stand between."""
        before = self.word(i - 1)
        if before in lex.AUXILIARIES:
            return before in ("do", "does", "did", "would", "'d", "will", "'ll", "'ve")
        if before in _LIKING_BEFORE:
            return self.be_at < i - 2
        return before in lex.PRONOUNS or self.last_end == i

    def pass_boundary(self, i: int) -> int:
        word = self.low[i]
        self.boundary = True
        self.fresh_neg = self.noun_subject = False
        if word in (",", ")", ";") and i > self.appos_at:
            self.appos = None
        if word in lex.CLAUSE_STARTS:
            self.restart(i + 1)
        if (
            word in ("so", "nor", "neither")
            and self.word(i + 1) in _DO
            and (i + 2 in self.begins or self.word(i + 2) in lex.PRONOUNS)
        ):
            name = self.begins.get(i + 2)
            ones = [self.thing(name)] if name is not None else self.discourse.meant_by(self.word(i + 2))
            self.likewise(ones, negated=None)
            return name.j if name is not None else i + 3
        return i + 1

    def relative(self, i: int) -> int:
        """who, which, that: right after a thing they are its subject."""
        if self.last is not None and self.last_end in (i, i - 1):
            self.subject, self.boundary, self.noun_subject = [self.last], False, False
            self.verb = self.prep = self.noun = ""
        elif self.low[i] != "that":
            self.subject, self.noun_subject = [], True
        return i + 1

    def negation(self, i: int) -> int:
        word = self.low[i]
        if word == "no" and self.word(i + 1) != "longer":
            self.noun = "no"
            return i + 1
        if word == "cant" and self.word(i + 1) in ("stand", "bear"):
            if not self.subject and self._speaker_left_out(i, "d"):
                self.become_subject([self.discourse.me], i)
            self.finite()
            return self.prefer(i + 2, disliked=True)
        if word == "neither" and self.word(i + 1) in _DO:
            return self.pass_boundary(i)
        self.fresh_neg = True
        if not self.boundary and (self.verb in ("be", "have") or self.be_at >= i - 2 or self.have_at >= i - 2):
            self.neg = True
        if word in ("nobody", "none"):
            self.subject, self.noun_subject = [], True
        return i + 1

    def unreal(self, i: int) -> int:
        word = self.low[i]
        if word in ("would", "could") and "rather" in self.low[i + 1 : i + 3]:
            return self.prefer(self.low.index("rather", i) + 1, disliked=False) if self.subject else i + 1
        if word == "may" and self.last_end != i and self.word(i - 1) not in lex.PRONOUNS:
            return self.noun_at(i)
        self.real = False
        if word in _STICKY:
            self.sentence_real = False
        self.finite()
        return i + 1

    def auxiliary(self, i: int) -> int:
        word = self.low[i]
        if word in ("'s", "'d"):
            return self._apostrophe(i)
        after = self.task(i) if word in tasks.OF_SUBJECT else -1
        if after > 0:
            return after
        if (
            word in ("can", "ca", "could")
            and self.word(i + 1) in ("n't", "not")
            and self.word(i + 2) in ("stand", "bear")
        ):
            self.finite()
            return self.prefer(i + 3, disliked=True)
        form = FORMS.get(word)
        self.finite()
        self._below_another_verb(i, "")
        if self._ends(i) and self.subject:
            self.likewise(self.subject, negated=self.word(i + 1) in ("n't", "not"))
        if word in ("do", "does", "did") and (self.word(i + 1) in lex.DETERMINERS and self.last_end == i):
            self.set_verb("do")  # "I do the accounting"
        elif form is not None and form[0] == "be":
            if self.verb != "be":
                self.set_verb("be")
            self.be_at = i
        elif form is not None and form[0] == "have":
            self.have_at = i
            self.set_verb("have")
        return i + 1

    def _ends(self, i: int) -> bool:
        """Whether the clause ends with the auxiliary at i: "Colin is", "Ann doesn't"."""
        rest = i + 1 + (self.word(i + 1) in ("n't", "not"))
        return self.last_end == i and self.word(rest) in ("", ",", ";", "but", "and") and i > 2

    def _apostrophe(self, i: int) -> int:
        """'s and 'd: of an owner, or "is", "has", "would"."""
        after = self.word(i + 1)
        if self.low[i] == "'d":
            had = kind_of(after) in ("d", "n") and after != "had"  # "I'd been working"
            self.real = self.real and (had or after in ("rather", "better"))
            return max(self.task(i), i + 1) if after == "better" else i + 1
        is_verb = self.word(i - 1) in _IS_BEFORE
        if not is_verb and i + 1 not in self.begins:
            is_verb = after in _IS_AFTER or kind_of(after) in ("g", "n", "d")
        if is_verb:
            task = self.task(i)
            if task > 0:
                return task
            self.be(i)
            return i + 1
        if self.last is not None and self.last_end == i:
            return self.owned([self.last], i + 1)
        self.noun = self.word(i - 1)
        return i + 1

    def pronoun(self, i: int) -> int:
        word = self.low[i]
        if word == "it" and self.word(i + 1) == "'s" and i + 2 in self.begins:
            return i + 2  # "it's Tomas"
        group, end = self.joined(self.discourse.meant_by(word), i, i + 1)
        self.place(group, i, end, spelled=False)
        return end

    def owner_word(self, i: int) -> int:
        word, after = self.low[i], self.word(i + 1)
        if word == "her" and (not after[:1].isalnum() or after in _NOT_HER):
            return self.pronoun(i)
        if word == "its" and self.person_at(i + 1):
            return i + 1  # "its tomas"
        return self.owned(self.discourse.meant_by(word), i + 1)

    # --- verbs ---

    def _as_noun(self, i: int, kind: str) -> bool:
        before = self.word(i - 1)
        if kind in ("b", "s") and before in _NOUN_BEFORE:
            return True
        if kind == "b":
            return before not in _BEFORE_BASE and not before.endswith("s") and self.last_end != i
        return kind in ("d", "n") and before in _PAST_NOUN_BEFORE

    def verb_at(self, i: int) -> int:
        low, word = self.low, self.low[i]
        lemma, kind = FORMS[word]
        if self._as_noun(i, kind):
            return self.noun_at(i)
        if word in ("called", "named", "dubbed") and self._names_something(i):
            self.prep = self.noun = ""
            return i + 1
        after = self.cue(i, lemma)
        if after > 0:
            return after
        self._below_another_verb(i, kind)
        if not self.subject and not self.verb and self.real and self._speaker_left_out(i, kind):
            self.become_subject([self.discourse.me], i)
        passive = self._passive(i, kind)
        verb_before = self.verb
        self.neg, self.fresh_neg = self.neg or self.fresh_neg, False
        if (
            kind == "g"
            and low[i : i + 2] == ["going", "to"]
            and verb_before == "be"
            and kind_of(self.word(i + 2)) == "b"
        ):
            self.be_at = i  # the verb is still to come
            return i + 1
        self.set_verb(lemma)
        self.passive = passive
        if lemma in _TIE_VERBS and len(self.subject) > 1 and not self._object_ahead(i + 1):
            self.pair(self.subject)
        after = self._what_follows(i, lemma, verb_before)
        return after if after > 0 else i + 1

    def _names_something(self, i: int) -> bool:
        """ "A shop in Cork called Pebble"."""
        return i + 1 in self.begins and not self.person_at(i + 1) and self.be_at < i - 2

    def _below_another_verb(self, i: int, kind: str) -> None:
        """What the verb before makes of an infinitive or -ing: a wish, an end."""
        infinitive = self.word(i - 1) == "to"
        if not infinitive and kind != "g":
            return
        if (self.verb in _WISHES and self.prep == "to") or (
            kind == "g" and self.verb in ("consider", "think", "dream")
        ):
            self.real = False
        elif self.verb == "stop" or (infinitive and self.word(i - 2) == "used" and self.verb == "use"):
            self.neg = True

    def _speaker_left_out(self, i: int, kind: str) -> bool:
        """ "Met Ann at the gym", "just got hired"."""
        if kind not in ("d", "g") or (kind == "g" and self.word(i + 1) in lex.AUXILIARIES | {""}):
            return False
        return all(word in lex.INTERJECTIONS or word in lex.ADVERBS or word == "," for word in self.low[:i])

    def _passive(self, i: int, kind: str) -> bool:
        """Whether a participle is passive; on the way the verb counts as finite if it is."""
        be = self.verb == "be" and not self.boundary and 0 <= self.be_at >= i - 4
        got = self.verb == "get" and not self.boundary
        if kind in ("s", "d", "b") or be:
            self.finite()
        if kind not in ("n", "d") and self.low[i] not in ALSO_PARTICIPLES:
            return False
        if not be and self.appos is not None and self.word(i + 1) in ("in", "by", "with"):
            self.subject = [self.appos]  # "Lantern, an app written in Python"
            return True
        return be or got

    def _what_follows(self, i: int, lemma: str, verb_before: str) -> int:
        """A task given, a taste, a field of study right after the verb; -1 for none."""
        after = self.given(i) if self.passive and lemma in _GIVES else -1
        if after < 0 and (lemma in LIKE or lemma in DISLIKE) and not self.passive and self.likes(i, verb_before):
            return self.prefer(i + 1, disliked=lemma in DISLIKE)
        if after < 0 and lemma in TOPIC_OBJECT and not (self.passive and self.word(i + 1) == "by"):
            after = self.field_after(i)
        return after

    def _object_ahead(self, i: int) -> bool:
        return any(k in self.begins or self.word(k) in lex.PRONOUNS for k in range(i, i + 3))


_TASK_WORDS = frozenset((*tasks.OF_SUBJECT, *tasks.CUE_NOUNS, "action"))
_NOUNS_THAT_SAY_MORE = (
    _TIES
    | TASTE_FIRST
    | _TASK_WORDS
    | _FIELD_NOUNS
    | {"here", "speaking", "favourite", "favorite", "born", "up", "nothing"}
    | lex.ROLES
)
_Step = Callable[[Walker, int], int]
_STEPS: dict[str, _Step] = {
    **dict.fromkeys((*lex.ADVERBS, *lex.DETERMINERS, *lex.INTERJECTIONS), Walker.skip),
    **dict.fromkeys(lex.AUXILIARIES, Walker.auxiliary),
    **dict.fromkeys(lex.PREPOSITIONS, Walker.preposition),
    **dict.fromkeys((*lex.CONJUNCTIONS, *',;:()[]–—-"“”…'), Walker.pass_boundary),
    **dict.fromkeys(lex.NEGATIONS, Walker.negation),
    **dict.fromkeys(lex.UNREAL, Walker.unreal),
    **dict.fromkeys((*lex.FIRST_PERSON, *lex.HE, *lex.SHE, *lex.THEY, *lex.IT), Walker.pronoun),
    **dict.fromkeys(("my", "our", *lex.OWNERS), Walker.owner_word),
    **dict.fromkeys(("who", "which", "that"), Walker.relative),
    **dict.fromkeys(("im", "dont", "doesnt", "didnt", "isnt", "wasnt", "arent"), Walker.contracted),
}

"""What is known halfway through a sentence: its subject, verb and preposition, and whether it is stated at all."""

from umi.extract import lexicon as lex
from umi.extract.discourse import Discourse, Thing
from umi.extract.names import Name
from umi.extract.relations import HIRE, How, said
from umi.extract.tokens import Sentence
from umi.extract.verbs import kind_of

# relation, the other end, whether it runs from there, whether it is denied
Made = tuple[str, Thing, bool, bool]
_LIKEWISE_MAX = 8
_LONG_AGO = -9  # an index before any word, and not just before


class ClauseState:
    """The layers above read a sentence from left to right and leave here what they have understood.

    real         what stands here is stated: not asked, not only supposed; `sentence_real` is so for all that follows
    boundary     a comma or "and" was passed: the next finite verb may have another subject
    noun_subject a common noun stands where that subject would be
    appos        whom "…, a nurse at …" describes
    role         owners, word and whether it is over: "my former boss" waits for a name
    role_joined  … for one who joins the subject: "Bob and his boss Ann …"
    fronted      what stood before the verb with a preposition: "At Acme I …"
    orphans      what a passive without a subject said: "the frontend is done in Vue", until "by Ann" follows
    clauses      where clauses begin; `seen` has every thing with its place
    made         what was claimed of the present subject, and `made_before` of the one before: "… and so does Ann"
    quiet_until  the end of a task's words: names in them are claimed of nobody
    """

    def __init__(self, text: str, sentence: Sentence, names: list[Name], discourse: Discourse, *, real: bool) -> None:
        self.text, self.sentence, self.low = text, sentence, sentence.low
        self.begins = {name.first: name for name in names if name.type}
        self.discourse = discourse
        self.real = self.sentence_real = real
        self.subject: list[Thing] = []
        self.objects: list[Thing] = []
        self.verb = self.prep = self.noun = self.before_prep = ""
        self.appos_at = self.prep_at = self.be_at = self.have_at = self.last_end = _LONG_AGO
        self.last: Thing | None = None
        self.appos: Thing | None = None
        self.role_joined = self.passive = self.neg = self.fresh_neg = self.noun_subject = False
        self.boundary = True
        self.role: tuple[list[Thing], str, bool] | None = None
        self.owner: tuple[list[Thing], int] | None = None
        self.fronted: list[tuple[str, str, list[Thing]]] = []
        self.orphans: list[Thing] = []
        self.work_too: list[Thing] = []
        self.clauses = [0]
        self.seen: list[tuple[Thing, int]] = []
        self.quiet_until = -1
        self.made: list[Made] = []
        self.made_before: list[Made] = []

    def word(self, i: int) -> str:
        """Word i, "" outside the sentence."""
        return self.low[i] if 0 <= i < len(self.low) else ""

    def person_at(self, i: int) -> bool:
        name = self.begins.get(i)
        return name is not None and name.type == "person"

    def verb_follows(self, j: int, *, plural: bool = True) -> bool:
        """Whether a finite verb begins at word j, after adverbs."""
        if self.word(j) in lex.PROJECT_FOLLOWERS:
            j += 1
        while self.word(j) in lex.ADVERBS and self.low[j] not in ("'s", "to", "here"):
            j += 1
        word = self.word(j)
        if word == "'s":
            after = self.word(j + 1)
            return after in lex.DETERMINERS or after in lex.PREPOSITIONS or kind_of(after) in ("g", "n", "d")
        if word in lex.AUXILIARIES or word in lex.UNREAL:
            return True
        kind = kind_of(word)
        return (kind in ("s", "d") or (plural and kind == "b")) and word not in ("close", "open", "present")

    def restart(self, i: int) -> None:
        """A new clause begins at word i."""
        self.real = self.sentence_real
        self.prep = self.noun = ""
        if i > self.clauses[-1]:
            self.clauses.append(i)

    def finite(self) -> None:
        """A finite verb: after a boundary it starts a clause, with a new subject if a common noun stands before it."""
        if self.boundary:
            self.neg = self.fresh_neg
            if self.noun_subject:
                self.subject = []
            self.passive = self.boundary = False
        else:
            self.neg = self.neg or self.fresh_neg
        self.noun_subject = False

    def set_verb(self, lemma: str) -> None:
        self.verb, self.prep, self.noun, self.before_prep = lemma, "", "", ""
        self.passive = False
        if self.fronted and self.subject:
            self._place_fronted()

    def be(self, i: int) -> None:
        """A form of "be" at word i is the verb, as far as one can see yet."""
        self.finite()
        self.set_verb("be")
        self.be_at = i

    def _place_fronted(self) -> None:
        """Now that subject and verb are known: "At Netflix I report", "together with Hugo I plan"."""
        fronted, self.fronted = self.fronted, []
        kept = self.prep, self.before_prep
        for self.prep, self.before_prep, things in fronted:
            for thing in things:
                self.emit(thing)
        self.prep, self.before_prep = kept

    def emit(self, thing: Thing) -> None:
        """Claim what verb and preposition say of the subject and this thing."""
        if not self.real:
            return
        if self.verb == "introduce" and thing.type in ("person", "self"):
            for other in [*self.subject, *self.objects]:
                self.discourse.claim(other, "knows", thing, negated=self.neg)
        elif not self.subject:
            if thing.type == "person" and self.prep == "" and self.verb in ("be", "call", "name"):
                self.works_where_fronted(thing)
            elif self.passive:
                self._of_nobody(thing)
        elif thing.type == "organization" and self.verb in HIRE and not self.passive and self.prep == "at":
            self.relate([one for one in self.objects if one.type in ("person", "self")], "works_at", [thing])
        elif not (thing.type == "organization" and self.prep in ("from", "to") and self._moved_something()):
            for subject in self.subject:
                self._claim(subject, thing)

    def _claim(self, subject: Thing, thing: Thing) -> None:
        noun = self.before_prep if self.prep else self.noun
        found = said(subject.type, How(self.verb, self.prep, noun, self.passive, thing.type, thing.name))
        if found is None:
            return
        relation, back, denies = found
        one, other = (thing, subject) if back else (subject, thing)
        inside = thing.type == "project" and self.prep in ("in", "on", "for") and bool(self.objects)
        negated = self.neg != denies and not inside  # "we don't use Redis in the Umi project"
        self.discourse.claim(one, relation, other, negated=negated)
        self.made.append((relation, thing, back, negated))
        if relation == "works_at":
            for colleague in self.work_too:
                self.discourse.claim(colleague, relation, other, negated=negated)

    def _moved_something(self) -> bool:
        """ "moved the project from GitLab" is no change of employer."""
        return any(one.type in ("project", "topic") for one in self.objects)

    def _of_nobody(self, thing: Thing) -> None:
        """A passive whose subject is a common noun: whoever stands behind "by" has done it."""
        if thing.type in ("topic", "location"):
            self.orphans.append(thing)
        elif self.prep == "by" and thing.type in ("person", "organization"):
            person = thing.type == "person"
            for orphan in self.orphans:
                if person == (orphan.type == "topic"):
                    self.discourse.claim(thing, "relates_to" if person else "located_in", orphan)
            if person:
                self.works_where_fronted(thing)

    def works_where_fronted(self, person: Thing) -> None:
        """ "The new trader at Acme is called Ann", "the team at Acme is headed by Ann"."""
        for preposition, _, values in self.fronted:
            for value in values:
                if self.real and value.type == "organization" and preposition in ("at", "of", "from"):
                    self.discourse.claim(person, "works_at", value, negated=self.neg)

    def relate(self, ones: list[Thing], relation: str, others: list[Thing], *, negated: bool | None = None) -> None:
        """Claim a relation of persons to things, unless nothing is stated here."""
        denied = self.neg if negated is None else negated
        if self.real:
            self.made.extend((relation, other, False, denied) for other in others)
            for one in ones:
                for other in others if one.type in ("person", "self") else ():
                    self.discourse.claim(one, relation, other, negated=denied)

    def likewise(self, ones: list[Thing], *, negated: bool | None) -> None:
        """Claim of these what was claimed of the subject before: "Colin is", "so does Ann"."""
        for relation, other, back, denied in (self.made or self.made_before)[-_LIKEWISE_MAX:]:
            for one in ones if self.real and other not in ones else ():
                pair = (other, one) if back else (one, other)
                self.discourse.claim(pair[0], relation, pair[1], negated=denied if negated is None else negated)

    def thing(self, name: Name) -> Thing:
        """The thing that a name in this sentence names."""
        starts, ends = self.sentence.starts, self.sentence.ends
        span = (starts[name.i], ends[name.j - 1])
        words = self.text[span[0] : span[1]]
        if name.type == "event":
            thing = self.discourse.phrase(words, "event", span, 0.7)
        else:
            thing = self.discourse.name(words, name.type, name.gender, 0.9 if name.sure else 0.6, span)
        self.seen.append((thing, name.i))
        return thing

    def phrase(self, i: int, j: int, type_: str, confidence: float) -> Thing:
        """The thing that the common words i to j name."""
        start, end = self.sentence.starts[i], self.sentence.ends[j - 1]
        words = self.text[start:end]
        if type_ == "topic":
            thing = self.discourse.name(words, type_, "", confidence, (start, end))
        else:
            thing = self.discourse.phrase(words, type_, (start, end), confidence)
        self.seen.append((thing, i))
        return thing

    def inside(self, i: int, j: int) -> None:
        """Names within a phrase count as things; events and relations don't."""
        while i < j:
            name = self.begins.get(i)
            if name is None:
                i += 1
                continue
            if name.type != "event":
                self.thing(name)
            i = name.j

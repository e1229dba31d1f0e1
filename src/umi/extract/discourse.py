"""What a text has spoken of so far: its things under their longest names, who a pronoun means, and what is claimed."""

from umi.extract import lexicon as lex

_PLURAL = 2
_REMEMBERED_MAX = 100  # persons and things a pronoun or a first name may mean: texts of 100 KB name thousands


class Thing:
    """Something a text names. `spans` are character offsets of its mentions, `clauses` what is said around each."""

    __slots__ = ("clauses", "confidence", "gender", "name", "sentence", "spans", "type")

    def __init__(self, name: str, type_: str, gender: str, confidence: float, sentence: int) -> None:
        self.name, self.type, self.gender, self.confidence, self.sentence = name, type_, gender, confidence, sentence
        self.spans: list[tuple[int, int]] = []
        self.clauses: list[tuple[int, int]] = []


class Discourse:
    """`me` is whoever says "I"; it is part of the result only where something is claimed of it."""

    def __init__(self, speaker: str | None, known: dict[str, tuple[str, str, str]]) -> None:
        self.me = Thing(speaker or "self", "person" if speaker else "self", "e", 1.0, -1)
        self.things: list[Thing] = []
        self.claims: dict[tuple[int, str, int, bool], tuple[Thing, str, Thing]] = {}
        self.of_me = False
        self.sentence = 0
        self._known = known  # key -> name, type, gender of what memory holds
        self._by_key: dict[str, Thing] = {"self": self.me, self.me.name.casefold(): self.me}
        self._persons: list[Thing] = []
        self._group: list[Thing] = []

    def name(self, name: str, type_: str, gender: str, confidence: float, span: tuple[int, int]) -> Thing:
        """The thing of this name, known already or new; the longest form of a person's name wins."""
        key = name.casefold()
        thing = self._by_key.get(key)
        if thing is None and type_ == "person":
            thing = self._same_person(name)
        if thing is None:
            known = self._known.get(key)
            if known is not None and (known[1] == type_ or confidence < 0.8):
                name, type_, gender = known[0], known[1], known[2] or gender
            thing = self._by_key.get(name.casefold())
        if thing is None:
            thing = Thing(name, type_, gender, confidence, self.sentence)
            self.things.append(thing)
        self._by_key[key] = self._by_key[thing.name.casefold()] = thing
        thing.spans.append(span)
        if thing.type == "person" or thing is self.me:
            self.speak_of(thing)
        else:
            thing.sentence = self.sentence
        return thing

    def phrase(self, name: str, type_: str, span: tuple[int, int], confidence: float) -> Thing:
        """A task, a preference, an event or a note: the same words again are the same thing."""
        key = f"{type_}\n{name.casefold()}"
        thing = self._by_key.get(key)
        if thing is None:
            thing = self._by_key[key] = Thing(name, type_, "", confidence, self.sentence)
            self.things.append(thing)
        thing.spans.append(span)
        return thing

    def speak_of(self, person: Thing) -> None:
        person.sentence = self.sentence
        if person is not self.me and person not in self._persons:
            self._persons.append(person)
            del self._persons[:-_REMEMBERED_MAX]

    def speak_of_group(self, group: list[Thing]) -> None:
        persons = [thing for thing in group if thing.type in ("person", "self")]
        if len(persons) >= _PLURAL:
            self._group = persons

    def meant_by(self, pronoun: str) -> list[Thing]:
        """Who "she" is: of the latest sentence that names somebody who fits, the one named first there."""
        if pronoun in lex.FIRST_PERSON or pronoun in lex.FIRST_OWNER:
            return [self.me]
        if pronoun in lex.IT or pronoun == "its":
            things = [one for one in self.things[-_REMEMBERED_MAX:] if one.type in ("organization", "project")]
            last = max((one.sentence for one in things), default=-1)
            things = [one for one in things if one.sentence == last]
            return sorted(things, key=lambda one: one.type != "project")[:1]
        if pronoun in lex.THEY or pronoun == "their":
            return self._group or self._tied(self.latest())
        return self.latest("m" if pronoun in lex.HE or pronoun == "his" else "f")[:1]

    def _tied(self, persons: list[Thing]) -> list[Thing]:
        """Both of a couple that was just named, else the first."""
        for one in persons[:1]:
            for other in persons[1:]:
                if (id(one), "knows", id(other), False) in self.claims or (
                    id(other),
                    "knows",
                    id(one),
                    False,
                ) in self.claims:
                    return [one, other]
        return persons[:1]

    def latest(self, gender: str = "mf") -> list[Thing]:
        fitting = [one for one in self._persons if one.gender in gender or one.gender in ("e", "")]
        if not fitting:
            known = [(name, type_, sex) for name, type_, sex in self._known.values() if type_ == "person"]
            known = [one for one in dict.fromkeys(known) if one[2] in gender or one[2] in ("e", "")]
            if len(known) != 1:
                return []
            return [self.name(known[0][0], "person", known[0][2], 0.6, (-1, -1))]
        last = max(one.sentence for one in fitting)
        return [one for one in fitting if one.sentence == last]

    def claim(self, subject: Thing, relation: str, value: Thing, *, negated: bool = False) -> None:
        """Once each; what is symmetric counts in either order. A later denial of what was just said replaces it."""
        if subject is value:
            return
        key = (id(subject), relation, id(value), negated)
        if relation == "knows" and (id(value), relation, id(subject), negated) in self.claims:
            return
        self.claims.setdefault(key, (subject, relation, value))
        self.of_me = self.of_me or subject is self.me or value is self.me

    def _same_person(self, name: str) -> Thing | None:
        """ "Smith" or "Bob" where "Bob Smith" was named, and the other way round."""
        words = name.split()
        for person in reversed(self._persons):
            theirs = person.name.split()
            if (
                len(words) == 1
                and len(theirs) > 1
                and words[0].casefold() in (theirs[0].casefold(), theirs[-1].casefold())
            ):
                return person
            if (
                len(theirs) == 1
                and len(words) > 1
                and theirs[0].casefold() in (words[0].casefold(), words[-1].casefold())
            ):
                person.name = name
                return person
        return None

"""Whose sister, boss, wedding or project something is."""

from umi.extract import lexicon as lex
from umi.extract import tasks
from umi.extract.discourse import Thing
from umi.extract.duties import Duties
from umi.extract.verbs import kind_of

_AT_WORK = frozenset("colleague colleagues coworker coworkers co-worker teammate teammates".split())
_FORMER = frozenset("former previous".split())
OFFICES = frozenset("office offices branch headquarters hq plant store shop lab factory".split())
_ENDS = lex.PREPOSITIONS | lex.AUXILIARIES | lex.CONJUNCTIONS | lex.PRONOUNS
# owner's type, thing's type -> relation, and whether it runs from the thing to the owner
_BELONGS = {
    ("organization", "project"): ("part_of", True),
    ("organization", "organization"): ("part_of", True),
    ("organization", "person"): ("works_at", True),
    ("organization", "location"): ("located_in", False),
    ("organization", "event"): ("relates_to", False),
    ("person", "event"): ("relates_to", False),
    ("person", "project"): ("relates_to", False),
    ("self", "event"): ("relates_to", False),
    ("self", "project"): ("relates_to", False),
    ("project", "project"): ("part_of", True),
}


class Ties(Duties):
    def owned(self, owners: list[Thing], i: int) -> int:
        """The words after "my", "Grace's": a role ("my boss Bob"), a duty, a name, or something else."""
        low = self.low
        former = False
        k = i
        while k < len(low) and k - i < 5 and low[k][0].isalpha() and k not in self.begins:
            word = low[k]
            if self._is_role(word, k, owners):
                return self._role(owners, i, k, former=former)
            after = self._duty_or_taste(owners, k)
            if after > 0:
                return after
            if word in _ENDS or (k > i and kind_of(word) in ("s", "d")):
                break
            if word in lex.PROJECT_KINDS and self.appos is not None and self.appos.type == "project":
                self.belong([self.appos], owners)  # "Lantern, my note-taking app"
            former = former or word in _FORMER
            k += 1
        if k in self.begins:
            self.owner = (owners, k)
            return k
        if k > i:
            self._owned_noun(owners, k)
        return i

    def _is_role(self, word: str, k: int, owners: list[Thing]) -> bool:
        if word.removeprefix("ex-") in lex.ROLES or word == "ex":
            return True
        if word not in lex.JOBS or not owners:
            return False
        return owners[0].type == "organization" or self.person_at(k + 1 + (self.word(k + 1) == ","))

    def _duty_or_taste(self, owners: list[Thing], k: int) -> int:
        word = self.low[k]
        if word == "turn" and self.word(k + 1) == "to" and owners:
            return self.add_task(k + 2, owners)
        if word in ("favourite", "favorite"):
            return self.favourite(k, owners)
        return self.duty(k, owners) if word in tasks.DUTIES else -1

    def _owned_noun(self, owners: list[Thing], k: int) -> None:
        """A common noun with an owner: who keeps a project's website has to do with the project."""
        if owners and owners[0].type == "project" and not self.boundary and self.verb:
            self.relate(self.subject, "relates_to", owners[:1])
        self.noun = self.low[k - 1]
        if self.boundary:
            self.noun_subject = True

    def _role(self, owners: list[Thing], start: int, k: int, *, former: bool) -> int:
        """ "my boss Bob", "Bob, my boss,", "Bob is my boss", "my boss is Bob"."""
        low = self.low
        former = former or low[k].startswith("ex")
        while k + 1 not in self.begins and (self.word(k + 1) in lex.ROLES or self.word(k + 1) in lex.JOBS):
            k += 1
        word = low[k].removeprefix("ex-")
        after = k + 2 if self.word(k + 1) in (",", "(", ":") and self.person_at(k + 2) else k + 1
        another = after > k + 1 and self.verb == "be" and self.verb_follows(self.begins[after].j)
        if self.person_at(after) and not another:
            self.role = (owners, word, former)
            self.role_joined = self.word(start - 2) in ("and", "&") and bool(self.subject) and not self.verb
            return after
        described = self._described(start)
        if described is not None and described.type == "person" and described not in owners:
            self.link([described], owners, word, negated=former)
            return k + 1
        self.noun = word
        if self.verb == "be" and self.subject and not self.boundary and self.real:
            self.link(self.subject, owners, word, negated=former != self.neg)
            self._colleagues(word, owners)
            return k + 1
        self.role = (owners, word, former)
        self.subject, self.noun_subject = [], True
        return k + 1

    def _described(self, start: int) -> Thing | None:
        """Whom the words from `start` on describe: "Bob, my boss," and "Wanda, Acme's chief actuary,"."""
        if self.low[start - 1] == "'s":
            return self.appos
        beside = self.word(start - 2) in (",", "(", "–", "-") and start - 2 <= self.last_end <= start - 1
        return (self.appos or self.last) if beside else None

    def _colleagues(self, word: str, owners: list[Thing]) -> None:
        if word in _AT_WORK:
            self.work_too = owners

    def link(self, things: list[Thing], owners: list[Thing], word: str, *, negated: bool) -> None:
        """Claim what a role says: "boss", "sister", "intern" of its owner."""
        if not self.real:
            return
        claim = self.discourse.claim
        relation = "manages" if word in lex.BOSS_ROLES | lex.REPORT_ROLES else "knows"
        if owners and owners[0].type in ("person", "self"):
            self.made.extend((relation, owner, word in lex.REPORT_ROLES, negated) for owner in owners)
        for thing in things:
            for owner in owners if thing.type in ("person", "self") else ():
                if owner.type == "organization":
                    claim(thing, "works_at", owner, negated=negated)
                elif owner.type in ("project", "event"):
                    claim(thing, "manages" if word in lex.BOSS_ROLES else "relates_to", owner, negated=negated)
                elif word in lex.BOSS_ROLES:
                    claim(thing, "manages", owner, negated=negated)
                elif word in lex.REPORT_ROLES:
                    claim(owner, "manages", thing, negated=negated)
                else:
                    claim(thing, "knows", owner, negated=negated)

    def tie(self, i: int) -> None:
        """ "Ann and Bob are married", "we're friends": pairs of the subject."""
        if self.word(i + 1) in ("with", "to", "of"):
            self.noun = self.low[i]
            return
        persons = self.subject
        if persons == [self.discourse.me] and "we" in self.low[max(0, i - 6) : i]:
            persons = [self.discourse.me, *self.discourse.latest()[:1]]
        self.pair(persons)

    def pair(self, persons: list[Thing]) -> None:
        for n, one in enumerate(persons):
            self.relate([one], "knows", [other for other in persons[n + 1 :] if other.type in ("person", "self")])

    def belong(self, things: list[Thing], owners: list[Thing]) -> None:
        """Claim what "Acme's Umi project", "Grace's wedding" say."""
        for owner in owners:
            for thing in things:
                relation, back = _BELONGS.get((owner.type, thing.type), ("", False))
                if not relation or not self.real or (thing.type == "location" and OFFICES.isdisjoint(self.low)):
                    continue
                one, other = (thing, owner) if back else (owner, thing)
                self.discourse.claim(one, relation, other)

    def take_role(self, group: list[Thing], i: int) -> bool:
        """Whether the role before is these persons': "my boss Bob", "my boss is Bob", "my boss is called Bob"."""
        if self.role is None or group[0].type not in ("person", "self"):
            return False
        owners, word, former = self.role
        before = self.word(i - 1)
        near = (self.word(i - 2) if before in (",", "(", ":") else before).removeprefix("ex-") == word
        near = near or (before == "," and not self.verb and self.noun_subject)  # "my colleague at Acme, Ann,"
        complement = self.verb in ("be", "call", "name") and self.prep == "" and not self.boundary
        if not (near or complement):
            return False
        self.role = None
        plural = complement or (word.endswith("s") and word != "boss")
        self.link(group if plural else group[:1], owners, word, negated=former != (self.neg and complement))
        if complement:
            self._colleagues(word, owners)
        self.works_where_fronted(group[0])
        return True

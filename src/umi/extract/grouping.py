"""Whether a name is the subject, an object, or hangs on the name before it."""

from umi.extract import lexicon as lex
from umi.extract.discourse import Thing
from umi.extract.names import Name
from umi.extract.ties import OFFICES, Ties
from umi.extract.verbs import ALSO_PARTICIPLES, kind_of

_JOINS = frozenset(("and", "&", "or", ",", "nor"))
# What a name claims of the one it hangs on: "Bob from Acme", "Acme in Rome".
_HANGS = {
    **{("person", "organization", p): "works_at" for p in ("from", "at", "of", "@", "over")},
    ("person", "location", "from"): "located_in",
    **{("organization", "location", p): "located_in" for p in ("in", "at", "near", "from")},
    **{("event", "location", p): "located_in" for p in ("in", "at", "near")},
    **{("location", "location", p): "located_in" for p in ("in", "near")},
    **{("project", "organization", p): "part_of" for p in ("of", "by", "from", "within")},
    ("organization", "organization", "within"): "part_of",
}


class Grouping(Ties):
    def named(self, name: Name) -> int:
        group, end = self.joined([self.thing(name)], name.first, name.j)
        self.place(group, name.first, end, spelled=True)
        return end

    def joined(self, group: list[Thing], i: int, j: int) -> tuple[list[Thing], int]:
        """The group that "and" makes of the thing at i, and where it ends: "Ann, Bob and I"."""
        if not group or self.word(j) not in _JOINS:
            return group, j
        type_ = "person" if group[0].type == "self" else group[0].type
        more: list[tuple[int, int]] = []
        k = j
        while self.word(k) in _JOINS:
            n = k + 1 + (self.low[k] == "," and self.word(k + 1) == "and")
            name = self.begins.get(n)
            if name is not None and name.type == type_:
                if type_ == "location" and self.low[k] == "," and not self._list_ahead(n):
                    break
                k = name.j
            elif self.word(n) in ("i", "me", "myself") and type_ == "person":
                k = n + 1
            else:
                break
            more.append((n, k))
        if more and self.verb and not self._begins_clause(i) and self.verb_follows(more[-1][1]):
            more.pop()  # "I met Bob and Ann left"
        me = self.discourse.me
        group = [*group, *(self.thing(self.begins[n]) if n in self.begins else me for n, _ in more)]
        return group, more[-1][1] if more else j

    def _begins_clause(self, i: int) -> bool:
        before = self.word(i - 1)
        return self.boundary and (i == 0 or before in lex.CONJUNCTIONS or before in (",", ";", ":", "that"))

    def _list_ahead(self, n: int) -> bool:
        """Whether the name at n stands in a list that "and" ends; "Lyon, France" does not."""
        while n in self.begins:
            n = self.begins[n].j
            if self.word(n) in ("and", "or", "&"):
                return True
            if self.word(n) != ",":
                return False
            n += 1
        return self.word(n) == "and"

    def place(self, group: list[Thing], i: int, j: int, *, spelled: bool) -> None:
        """Things at i to j: of a role, of an owner, subject of a verb to come, hanging on a name, or objects."""
        if not group:  # a pronoun that means nobody
            if not self.verb or self.boundary:
                self.subject, self.noun_subject = [], True
            return
        self.discourse.speak_of_group(group)
        direct = 0 <= self.prep_at >= i - 2 and lex.DETERMINERS.issuperset(self.low[self.prep_at + 1 : i])
        owners: list[Thing] = []
        if self.owner is not None and self.owner[1] <= i:
            owners = self.owner[0]
            self.belong(group, owners)
            direct = direct or (self.prep_at >= i - 5 and self.prep_at > self.be_at and self.prep_at >= 0)
        self.owner = None
        taken = self.take_role(group, i)
        hangs = not taken and ((direct and self._attached(group)) or self._describes(group))
        if taken and self.role_joined:
            self.subject = [*self.subject, *group]
            self.discourse.speak_of_group(self.subject)
        elif not hangs and not self._appended(group, i):
            self._subject_or_object(group, i, j, direct=direct, owners=owners, spelled=spelled)
            mark = j + (self.word(j) in lex.PROJECT_FOLLOWERS)
            if spelled and self._description_follows(mark):
                self.appos, self.appos_at = group[-1], mark
        self.last, self.last_end, self.noun = group[-1], j, ""

    def _subject_or_object(
        self, group: list[Thing], i: int, j: int, *, direct: bool, owners: list[Thing], spelled: bool
    ) -> None:
        plural = len(group) > 1 or group[0] is self.discourse.me or not spelled
        alone = not self.verb and not self.subject and not self.noun_subject
        if owners and not self.verb and self.subject == owners:
            self.subject = group
        elif (not direct and (alone or self.verb_follows(j, plural=plural))) or (direct and self._of_a_project(group)):
            self.become_subject(group, i)
        elif direct and not self.verb:
            self.fronted.append((self.prep, self.before_prep, group))
        elif i > self.quiet_until:
            if self.verb == "be" and self.discourse.me in group and not self.subject:  # "the team is me and Ann"
                self.relate([self.discourse.me], "knows", [one for one in group if one is not self.discourse.me])
            for thing in group:
                self.emit(thing)
            self.objects = [*self.objects, *group]

    def _of_a_project(self, group: list[Thing]) -> bool:
        """ "Everything in the Umi project is …" is said of the project."""
        before_verb = not self.verb or self.boundary
        return before_verb and group[0].type == "project" and self.noun_subject and self.prep in ("in", "of", "for")

    def _description_follows(self, j: int) -> bool:
        """ ", a nurse at …", ", built by …"."""
        after = self.word(j + 1)
        if self.word(j) not in (",", "(", "–", "-") or not after:
            return False
        return (
            after in lex.DETERMINERS
            or j + 1 in self.begins
            or after in lex.JOBS
            or kind_of(after) in ("n", "d")
            or after in ALSO_PARTICIPLES
        )

    def _attached(self, group: list[Thing]) -> bool:
        """Whether the things hang on the name before the preposition: "Bob from Acme", "Acme in Rome"."""
        if self._office_of(group):
            return True
        beside = self.last is not None and self.last_end == self.prep_at
        head = self.last if beside else self.appos
        if head is None or (head.type == "self" and not self.subject):
            return False
        described = head is self.appos
        if head.type == "event" and group[0].type == "organization" and not described:
            return True  # where it takes place is no job there
        relation = _HANGS.get((head.type, group[0].type, self.prep), "")
        if relation == "works_at" and described and self.before_prep in lex.MEMBERS:
            relation = "part_of"
        if relation and self.real:
            for thing in group:
                self.discourse.claim(head, relation, thing)
        return bool(relation)

    def _describes(self, group: list[Thing]) -> bool:
        """ "Puffin, a Python library": the project, not who maintains it, has to do with Python."""
        if self.appos is None or self.appos.type != "project" or group[0].type != "topic":
            return False
        if self.real:
            for thing in group:
                self.discourse.claim(self.appos, "relates_to", thing)
        return True

    def _office_of(self, group: list[Thing]) -> bool:
        """ "The Oslo office of Acme"."""
        if self.prep != "of" or self.before_prep not in OFFICES or group[0].type != "organization":
            return False
        if self.last is None or self.last.type != "location" or self.last_end < self.prep_at - 2:
            return False
        if self.real:
            self.discourse.claim(group[0], "located_in", self.last)
        return True

    def _appended(self, group: list[Thing], i: int) -> bool:
        """ "Lyon, France": the city lies in the region."""
        if group[0].type != "location" or self.last is None or self.last.type != "location":
            return False
        if self.word(i - 1) != "," or self.last_end != i - 1:
            return False
        if self.real:
            self.discourse.claim(self.last, "located_in", group[0])
        return True

    def become_subject(self, group: list[Thing], i: int) -> None:
        """A clause with this subject begins, or "and" adds to the subject of the present one."""
        if self.word(i - 1) in ("and", "&") and self.subject and not self.verb and not self.noun_subject:
            self.subject = [*self.subject, *group]
        else:
            if self.verb:
                self.restart(i)
            self.subject = group
        self.discourse.speak_of_group(self.subject)
        self.verb = self.prep = self.noun = ""
        self.objects = []
        self.made, self.made_before = [], self.made or self.made_before
        self.noun_subject = self.boundary = self.passive = False
        self.neg = self.word(i - 1) == "neither" or self.fresh_neg

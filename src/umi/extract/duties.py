"""What somebody has to do: obligations, promises, assignments, reminders."""

from umi.extract import lexicon as lex
from umi.extract import tasks
from umi.extract.discourse import Thing
from umi.extract.phrases import verb_phrase
from umi.extract.tastes import Tastes
from umi.extract.verbs import FORMS, kind_of

_BETWEEN = frozenset("still really also now first just always".split())
_PROMISES = frozenset(("promise", "promises", "promised"))
_IS = frozenset(("is", "was", "'s", ":", "are"))


class Duties(Tastes):
    """Methods return where to go on, or -1 if no task begins."""

    def cue(self, i: int, lemma: str) -> int:
        """Tasks that a verb begins: "remind me to", "promised to", "asked me to"."""
        low = self.low
        if lemma == "remind" and not self.subject and self.word(i + 1) in ("me", "us"):
            to = next((k for k in range(i + 2, min(len(low), i + 7)) if low[k] in ("to", "2")), -1)
            return self.add_task(to + 1, [self.discourse.me]) if to > 0 else -1
        if lemma in ("remember", "forget") and self.subject in ([], [self.discourse.me]) and self.real:
            for cue in tasks.CUES:
                start = i - cue.index(low[i]) if low[i] in cue else -1
                if start >= 0 and tuple(low[start : start + len(cue)]) == cue:
                    return self.add_task(start + len(cue), [self.discourse.me])
        if low[i] in tasks.OF_SUBJECT or low[i] in _PROMISES:
            after = self.task(i)
            if after > 0:
                return after
        return self._told(i) if low[i] in tasks.TELLS else -1

    def task(self, i: int) -> int:
        """A task of the subject that begins after word i: "must", "has to", "action item:"."""
        low, word = self.low, self.low[i]
        if word in _PROMISES:
            to = next((k for k in range(i + 1, min(len(low), i + 5)) if low[k] == "to"), -1)
            if to > 0 and lex.CONJUNCTIONS.isdisjoint(low[i:to]) and "," not in low[i:to]:
                return self._owes(i, to + 1)
        if word == "action" and self.word(i + 1) == "item":
            return self._action_item(i + 2)
        if word in tasks.CUE_NOUNS and self.word(i + 1) in (":", "-") and i <= 1:
            return self.add_task(i + 2, [self.discourse.me])
        for words in tasks.OF_SUBJECT.get(word, ()):
            start = i + 1
            while words and self.word(start) in _BETWEEN:
                start += 1
            if tuple(low[start : start + len(words)]) == words:
                return self._owes(i, start + len(words))
        return -1

    def duty(self, i: int, owners: list[Thing]) -> int:
        """ "my first task is to …", "her job: …"."""
        k = i + 1
        while k < len(self.low) and k - i < 6 and self.low[k] not in _IS:
            k += 1
        if self.word(k) in ("is", "was", "'s") and self.word(k + 1) == "to":
            return self.add_task(k + 2, owners)
        return self.add_task(k + 1, owners) if self.word(k) == ":" else -1

    def _owes(self, i: int, start: int) -> int:
        low, following = self.low, self.word(start)
        self.finite()
        doers = self.subject
        if not doers and not self.noun_subject and low[i] in ("gotta", "need", "must", "have") and self._left_out(i):
            doers = [self.discourse.me]
        if following in ("not", "n't") and low[start + 1 : start + 3] == ["forget", "to"] and doers:
            return self.add_task(start + 3, doers)
        if following in ("not", "n't") or (low[i] in ("should", "must") and following in ("be", "have")):
            return start
        if following in tasks.NOT_DONE:
            return -1
        if not doers or self.neg or self.fresh_neg:
            return self._skip_phrase(start)
        return self.add_task(start, doers) if self.real else -1

    def _left_out(self, i: int) -> bool:
        """Whether nobody stands before word i, as in "gotta run, need to pack"."""
        before = self.word(i - 1)
        return before in ("", "and", ",", "still", "also", "really") or before in lex.INTERJECTIONS

    def _skip_phrase(self, start: int) -> int:
        end, _ = verb_phrase(self.low, start, self.begins)
        self.inside(start, end)
        return max(end, start)

    def _action_item(self, i: int) -> int:
        """ "Action item for Ann: …", "action item: Ann to …"."""
        doers = [self.discourse.me]
        if self.word(i) in ("for", "on") and i + 1 in self.begins:
            doers = [self.thing(self.begins[i + 1])]
            i = self.begins[i + 1].j
        if self.word(i) != ":":
            return -1
        i += 1
        name = self.begins.get(i)
        if name is not None and name.type == "person" and self.word(name.j) == "to":
            doers, i = [self.thing(name)], name.j + 1
        return self.add_task(i, doers)

    def given(self, i: int) -> int:
        """ "was asked to review", "was assigned the audit": the subject is to do it."""
        low = self.low
        if self.word(i + 1) == "to":
            verb = i + 2 not in self.begins and (self.word(i + 2) not in FORMS or kind_of(low[i + 2]) == "b")
            return self.add_task(i + 2, self.subject) if verb and not self.neg else -1
        if self.word(i + 1) == "by":  # "was asked by his boss to write"
            to = next((k for k in range(i + 2, min(len(low), i + 7)) if low[k] == "to"), -1)
            if to > 0 and not self.neg:
                doers = self.subject
                self.inside(i + 2, to)
                return self.add_task(to + 1, doers)
        if low[i] in tasks.HANDED and self.word(i + 1) in ("the", "a", "an"):
            of = self.word(i + 2) in ("task", "job") and self.word(i + 3) == "of"
            if of or low[i] == "assigned":
                return self.add_task(i + 4 if of else i + 2, self.subject)
        return -1

    def _told(self, i: int) -> int:
        """ "asked me to review", "wants Ann to review": the object is to do it."""
        low = self.low
        name = self.begins.get(i + 1)
        if name is not None and name.type == "person":
            k = name.j
        elif self.word(i + 1) in lex.PRONOUNS:
            name, k = None, i + 2
        else:
            return -1
        if self.word(k) != "to" or (FORMS[low[i]][0] == "need" and not self.subject):
            return -1
        self.finite()
        if self.neg or not self.real:
            return -1
        doers = [self.thing(name)] if name is not None else self.discourse.meant_by(low[i + 1])
        return self.add_task(k + 1, doers) if doers else -1

    def add_task(self, i: int, doers: list[Thing]) -> int:
        """The task whose words begin at i, and those that "and" adds."""
        if not self.real or not doers:
            return self._skip_phrase(i)
        start = i
        while start >= 0:
            if self.word(start) in ("to", "please", "still", "also", "either"):
                start += 1
            end, following = verb_phrase(self.low, start, self.begins)
            if end > start:
                thing = self.phrase(start, end, "task", 0.8)
                self.inside(start, end)
                for one in doers:
                    self.discourse.claim(one, "relates_to", thing)
                i = end
            start = following if following > start else -1
        self.subject, self.verb, self.prep = doers, "do", ""
        self.quiet_until = i
        return max(i, 1)

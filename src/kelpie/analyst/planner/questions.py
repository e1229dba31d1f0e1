"""The question of a turn: with what was answered when we asked back, and what this conversation taught or put right."""

import contextlib

import msgspec

from kelpie.analyst.planner.asked import Asked, Intent, Learned
from kelpie.analyst.planner.conversation import Conversation, result_table
from kelpie.analyst.planner.knowledge import Knowledge
from kelpie.analyst.planner.reading.lexicon import Term
from kelpie.analyst.planner.reading.reading import Context
from kelpie.analyst.planner.reading.understanding import NotAnAnswer, terms_in, understand
from kelpie.analyst.planner.taught.conventions import Convention, Taught
from kelpie.analyst.planner.taught.meanings import NoMeaning, meaning_of, terms_of
from kelpie.analyst.planner.taught.wishes import corrected, split_wishes


class Questions:
    def __init__(self, conversation: Conversation, knowledge: Knowledge, taught: Taught) -> None:
        self._conversation, self._knowledge, self._taught = conversation, knowledge, taught
        self._own: dict[int, list[Convention]] = {}

    @property
    def _here(self) -> int:
        return len(self._conversation.turns) - 1

    def asked(self) -> Asked:
        """The question of the current turn."""
        return self._asked_at(self._here)

    def correction(self) -> Learned | None:
        """What "no, I meant …" in the current turn puts right of the question before."""
        return self._correction_at(self._here)

    def last(self) -> Intent | None:
        """The last question that was answered before this turn, read again for its words."""
        for at in range(self._here - 1, -1, -1):
            call = self._conversation.turns[at].last("query_metric")
            if call is not None and result_table(call) is not None:
                asked = self._asked_at(at)
                return asked if isinstance(asked, Intent) else None
        return None

    def text_at(self, at: int) -> str:
        """What a turn asks, without the sentences that wish for something."""
        return split_wishes(self._conversation.turns[at].question, self._taught.speaker.teams)[1]

    def _asked_at(self, at: int) -> Asked:
        text = self.text_at(at)
        meant = corrected(text)
        if meant is not None and at > 0:
            if self._correction_at(at) is None:
                return understand(meant, self._context(at, []))
            at, answers = self._start_of(at - 1)
            with contextlib.suppress(NotAnAnswer):
                return understand(self.text_at(at), self._context(at, answers, until=self._here))
            return understand(self.text_at(at), self._context(at, [], until=self._here))
        start, answers = self._start_of(at)
        if start != at:
            with contextlib.suppress(NotAnAnswer):
                return understand(self.text_at(start), self._context(start, answers))
        return understand(text, self._context(at, []))

    def _start_of(self, at: int) -> tuple[int, list[str]]:
        """The turn that holds the question, and what was answered since when asked back about it."""
        return Conversation(self._conversation.system, self._conversation.turns[: at + 1]).before_answers()

    def _context(self, at: int, answers: list[str], *, until: int | None = None) -> Context:
        return Context(
            knowledge=self._knowledge,
            previous=self._conversation.previous(at),
            answers=answers,
            taught=self._taught.with_own(self._own_at(at if until is None else until)),
            earlier=self._conversation.earlier_answers(at),
        )

    # --- what the conversation itself holds ---------------------------------------------------------------------------

    def taught_here(self) -> Taught:
        return self._taught.with_own(self._own_at(self._here))

    def _own_at(self, at: int) -> list[Convention]:
        """What was taught in this conversation up to a turn. Of people who are known, memory holds all but the last."""
        if at not in self._own:
            self._own[at] = []  # what a correction corrects is read without itself
            first = at if self._taught.speaker.is_somebody else 0
            self._own[at] = [one for turn in range(first, at + 1) for one in self._taught_at(turn)]
        return self._own[at]

    def _taught_at(self, at: int) -> list[Convention]:
        found = []
        for wish in split_wishes(self._conversation.turns[at].question, self._taught.speaker.teams)[0]:
            if wish.kind == "preference" and wish.topic:
                found.append(Convention(kind="preference", topic=wish.topic, value=wish.meaning))
            elif wish.kind == "definition":
                with contextlib.suppress(NoMeaning):
                    learned = meaning_of(wish.topic, wish.meaning, self._knowledge)
                    found.append(Convention(kind="definition", topic=learned.topic, value=learned.value))
        correction = self._correction_at(at)
        if correction is not None:
            found.append(Convention(kind="correction", topic=correction.topic, value=correction.value))
        return found

    def _correction_at(self, at: int) -> Learned | None:
        meant = corrected(self.text_at(at))
        if meant is None or at == 0:
            return None
        start, answers = self._start_of(at - 1)
        trace = terms_in(self.text_at(start), self._context(start, answers))
        with contextlib.suppress(NoMeaning):
            year = meaning_of("", meant, self._knowledge)
            if year.value.startswith("year:"):
                return msgspec.structs.replace(year, kind="correction")
        return _put_right(trace, terms_of(meant, self._knowledge))


def _put_right(trace: list[tuple[str, Term]], meant: list[Term]) -> Learned | None:
    """The phrase that was taken for something else of the same kind; None if there is none, or more than one."""
    for term in meant:
        same_kind = [other for other in meant if other.kind == term.kind]
        phrases = {phrase for phrase, known in trace if known.kind == term.kind and known.meaning != term.meaning}
        if term.kind == "value":
            phrases = {
                p
                for p, known in trace
                if known.kind == "value" and (known.name, known.value) != (term.name, term.value)
            }
        if len(same_kind) == 1 and len(phrases) == 1:
            return Learned(phrases.pop().casefold(), term.meaning, term.label, "correction")
    return None

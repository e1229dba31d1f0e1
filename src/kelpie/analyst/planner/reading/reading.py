"""A question being read: its tokens, what the catalog knows in it, and which tokens have got a meaning so far."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner.asked import Learned, Previous, Refused, Unclear
from kelpie.analyst.planner.english.asking import FILLERS, points_back
from kelpie.analyst.planner.english.dates import NUMBER_WORDS
from kelpie.analyst.planner.english.patterns import Phrases
from kelpie.analyst.planner.english.words import number_of, tokenize
from kelpie.analyst.planner.knowledge import Knowledge
from kelpie.analyst.planner.reading.choosing import Choice, choose, taught_terms, told_apart
from kelpie.analyst.planner.reading.lexicon import Mention, Term, TermKind
from kelpie.analyst.planner.taught.conventions import Convention, Taught

Meaning = TypeVar("Meaning")


class Stop(Exception):
    """Reading ends early: the question is refused or unclear."""

    def __init__(self, asked: Refused | Unclear) -> None:
        super().__init__()
        self.asked = asked


def refuse(reason: str) -> Stop:
    return Stop(Refused(reason))


class Context(msgspec.Struct, frozen=True):
    """All that a question is read with.

    answers   what the user said when asked back about this question
    taught    the conventions that apply
    earlier   (question, options) that were asked back before in this conversation -> what the user said
    """

    knowledge: Knowledge
    previous: Previous | None = None
    answers: list[str] = []
    taught: Taught = Taught()
    earlier: Mapping[tuple[str, tuple[str, ...]], str] = {}


class Reading:
    """`roles` says what part each token plays; "" is no meaning yet."""

    def __init__(self, question: str, context: Context) -> None:
        self.context = context
        self.catalog: Catalog = context.knowledge.catalog
        self.previous = context.previous
        self.tokens = tokenize(question)
        self.words = [token.lower for token in self.tokens]
        self._taught = taught_terms(context.taught, self.catalog, context.knowledge.lexicon)
        self.mentions = context.knowledge.lexicon.find(self.tokens, self._taught)
        self.roles = [""] * len(self.tokens)
        self.used_answers: set[str] = set()
        self.problems: list[str] = []  # what is not understood though each word is known
        self.notes: list[str] = []
        self.used: list[str] = []
        self.learned: list[Learned] = []
        self.trace: list[tuple[str, Term]] = []  # which phrase was taken to mean what

    # --- tokens -------------------------------------------------------------------------------------------------------

    def is_free(self, at: int) -> bool:
        """Whether the token has no meaning yet and the catalog knows none."""
        return not self.roles[at] and self.mention_at(at) is None

    def mention_at(self, at: int) -> Mention | None:
        for mention in self.mentions:
            if mention.start <= at < mention.end and at not in mention.holes:
                return mention
        return None

    def claim(self, start: int, end: int, role: str) -> None:
        for at in range(max(0, start), end):
            self.roles[at] = role

    def role(self, at: int) -> str:
        """The part that a token plays, or would play for the catalog."""
        if not 0 <= at < len(self.tokens):
            return ""
        mention = self.mention_at(at)
        return self.roles[at] or (mention.kind if mention is not None else "")

    def phrase(self, phrases: Phrases[Meaning], at: int) -> tuple[Meaning, int] | None:
        """What the phrase that begins at a token means, and where it ends, if none of it means something else."""
        found = phrases.at(self.words, at)
        if found is None or not all(self.is_free(place) for place in range(at, found[1])):
            return None
        return found

    def phrases(self, phrases: Phrases[Meaning]) -> Iterator[tuple[Meaning, int, int]]:
        """Each phrase in turn, as (meaning, start, end)."""
        at = 0
        while at < len(self.words):
            found = self.phrase(phrases, at)
            if found is not None:
                yield found[0], at, found[1]
            at = found[1] if found is not None else at + 1

    def before(self, at: int, skipped: frozenset[str] = FILLERS) -> int:
        """The token before `at` that is none of `skipped` and adds something; -1 at the beginning."""
        at -= 1
        while at >= 0 and self._adds_nothing(at, skipped):
            at -= 1
        return at

    def after(self, at: int, skipped: frozenset[str] = FILLERS) -> int:
        """The token from `at` on that is none of `skipped` and adds something; the number of tokens at the end."""
        while at < len(self.words) and self._adds_nothing(at, skipped):
            at += 1
        return at

    def _adds_nothing(self, at: int, skipped: frozenset[str]) -> bool:
        mention = self.mention_at(at)
        if mention is not None:
            return mention.kinds == {"background"}
        return self.words[at] in skipped and not self.roles[at]

    # --- mentions -----------------------------------------------------------------------------------------------------

    def of_kind(self, kind: TermKind) -> list[Mention]:
        """The mentions of a kind, but for those whose tokens turned out to mean something else."""
        return [
            mention
            for mention in self.mentions
            if mention.kind == kind and not any(self.roles[at] for at in mention.places)
        ]

    def drop(self, mention: Mention) -> None:
        """The mention turned out to be none: its words mean something else."""
        self.mentions.remove(mention)

    def use(self, mention: Mention, role: str = "") -> None:
        for at in mention.places:
            self.roles[at] = role or mention.kind

    def said(self, mention: Mention) -> str:
        return " ".join(self.tokens[at].text for at in mention.places)

    def bridge(self, islands: frozenset[int]) -> None:
        """Metrics whose words stand around other parts take the place of what was found in their words."""
        lexicon = self.context.knowledge.lexicon
        for bridged in lexicon.bridged(self.tokens, self._taught, islands):
            own = set(bridged.places)
            broken = [mention for mention in self.mentions if own & set(mention.places)]
            # Longer than what it breaks, and no word of what it breaks is left over.
            longer = all(len(own) > len(mention.places) and set(mention.places) <= own for mention in broken)
            if longer and not any(self.roles[at] for at in own):
                kept = [mention for mention in self.mentions if mention not in broken]
                self.mentions = sorted([*kept, bridged], key=lambda mention: mention.start)

    def number_at(self, at: int) -> int | None:
        """The number a token without a meaning says, if it may be a number of rows."""
        if not 0 <= at < len(self.tokens) or self.roles[at]:
            return None
        number = number_of(self.tokens[at], NUMBER_WORDS)
        return number if number is not None and 1 <= number <= limits.QUERY_ROWS_MAX else None

    # --- meanings -----------------------------------------------------------------------------------------------------

    def settle(self, mention: Mention, ask: str) -> Term:
        """The one meaning: the only one, the one the user chose when asked, or the one spoken of before, if the
        question goes on from there: a whole new one in the same conversation may mean the other."""
        term = self._settled(mention, ask)
        self.trace.append((self.said(mention), term))
        return term

    def _settled(self, mention: Mention, ask: str) -> Term:
        terms = told_apart(mention.terms)
        if len(terms) == 1:
            self._say_taught(terms[0], self.said(mention))
            return terms[0]
        topic = self.said(mention)
        choices = [Choice(term.label, term.meaning) for term in terms]
        chosen = self._known(f"{ask} “{topic}”?", topic, choices)
        if chosen is None and self.previous is not None and points_back(self.words):
            spoken = [place for place, term in enumerate(terms) if term.name in self.previous.query.metrics]
            chosen = spoken[0] if len(spoken) == 1 and terms[spoken[0]].kind == "metric" else None
        return terms[self._asked(f"{ask} “{topic}”?", topic, choices) if chosen is None else chosen]

    def choose(self, question: str, topic: str, choices: list[Choice]) -> int:
        """Which of several meanings counts; asks if nobody has said so yet."""
        chosen = self._known(question, topic, choices)
        return self._asked(question, topic, choices) if chosen is None else chosen

    def _known(self, question: str, topic: str, choices: list[Choice]) -> int | None:
        labels = [choice.label for choice in choices]
        put_right = self._put_right(topic, choices)
        if put_right is not None:
            return put_right
        answered = self.chosen(labels)
        if answered is not None:
            if topic and choices[answered].meaning:
                self.learned.append(Learned(topic.casefold(), choices[answered].meaning, labels[answered]))
            return answered
        convention = self.context.taught.meaning(topic) if topic else None
        for place, choice in enumerate(choices):
            if convention is not None and choice.meaning == convention.value:
                self.say_used(convention, choice.label)
                return place
        earlier = self.context.earlier.get((question, tuple(labels[: limits.QUESTION_OPTIONS_MAX])))
        return None if earlier is None else choose(labels, earlier)

    def _put_right(self, topic: str, choices: list[Choice]) -> int | None:
        """ "No, I meant …" goes before what was answered when we asked."""
        convention = self.context.taught.meaning(topic) if topic else None
        if convention is None or convention.kind != "correction" or convention.id:
            return None
        return next((place for place, choice in enumerate(choices) if choice.meaning == convention.value), None)

    def _asked(self, question: str, topic: str, choices: list[Choice]) -> int:
        raise Stop(Unclear(question, [choice.label for choice in choices][: limits.QUESTION_OPTIONS_MAX], topic))

    def chosen(self, options: list[str]) -> int | None:
        """Which of `options` the user's answers pick."""
        for answer in self.context.answers:
            pick = choose(options, answer)
            if pick is not None:
                self.used_answers.add(answer)
                return pick
        return None

    def say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def say_used(self, convention: Convention, label: str) -> None:
        """Name the convention and whose it is: a number that stands on it is to be read with it."""
        self.say(f"“{convention.topic}” means {label}: {convention.named}.")
        self._use_convention(convention)

    def prefer(self, convention: Convention, how: str) -> None:
        self.say(f"Shown {how}: {convention.named}.")
        self._use_convention(convention)

    def _use_convention(self, convention: Convention) -> None:
        if convention.id and convention.id not in self.used:
            self.used.append(convention.id)

    def _say_taught(self, term: Term, said: str) -> None:
        if term.taught:
            convention = self.context.taught.meaning(said) or self.context.taught.meaning(term.taught)
            if convention is not None:
                self.say_used(convention, term.label)

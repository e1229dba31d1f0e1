"""A question being read: its tokens, what the catalog knows in it, and which tokens have got a meaning so far."""

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner import english
from kelpie.analyst.planner.asked import Previous, Refused, Unclear
from kelpie.analyst.planner.lexicon import Lexicon, Mention, Term, TermKind
from kelpie.analyst.planner.words import number_of, stems, tokenize


class Stop(Exception):
    """Reading ends early: the question is refused or unclear."""

    def __init__(self, asked: Refused | Unclear) -> None:
        super().__init__()
        self.asked = asked


class Reading:
    """`answers` are what the user said when asked back about this question; `known` tokens have got a meaning."""

    def __init__(self, question: str, catalog: Catalog, previous: Previous | None, answers: list[str]) -> None:
        self.catalog = catalog
        self.previous = previous
        self.answers = answers
        self.tokens = tokenize(question)
        self.words = [token.lower for token in self.tokens]
        self.mentions = Lexicon(catalog).find(self.tokens)
        self.known: set[int] = set()
        self.used_answers: set[str] = set()

    def is_free(self, at: int) -> bool:
        """Whether the token has no meaning yet and the catalog knows none."""
        return at not in self.known and not any(mention.start <= at < mention.end for mention in self.mentions)

    def of_kind(self, kind: TermKind) -> list[Mention]:
        """The mentions of a kind, but for those whose tokens turned out to mean something else."""
        return [m for m in self.mentions if m.kind == kind and not self.known & set(range(m.start, m.end))]

    def use(self, mention: Mention) -> None:
        self.known.update(range(mention.start, mention.end))

    def said(self, mention: Mention) -> str:
        return " ".join(token.text for token in self.tokens[mention.start : mention.end])

    def number_at(self, at: int) -> int | None:
        """The number a token without a meaning says, if it may be a number of rows."""
        if not 0 <= at < len(self.tokens) or at in self.known:
            return None
        number = number_of(self.tokens[at], english.NUMBER_WORDS)
        return number if number is not None and 1 <= number <= limits.QUERY_ROWS_MAX else None

    def settle(self, mention: Mention, ask: str) -> Term:
        """The one meaning: the only one, the one the user chose when asked, or the one spoken of before."""
        terms = mention.terms
        if len(terms) == 1:
            return terms[0]
        chosen = self.chosen([term.label for term in terms])
        if chosen is not None:
            return terms[chosen]
        if self.previous is not None:
            spoken = [term for term in terms if term.kind == "metric" and term.name in self.previous.query.metrics]
            if len(spoken) == 1:
                return spoken[0]
        options = [term.label for term in terms][: limits.QUESTION_OPTIONS_MAX]
        raise Stop(Unclear(f"{ask} “{self.said(mention)}”?", options))

    def chosen(self, options: list[str]) -> int | None:
        """Which of `options` the user's answers pick."""
        for answer in self.answers:
            pick = choose(options, answer)
            if pick is not None:
                self.used_answers.add(answer)
                return pick
        return None


def choose(options: list[str], answer: str) -> int | None:
    """Which option an answer picks: by its words, or by its number or place. None if it picks none or several.

    All of its words must be in the option: "median arrival delay" does not pick "average arrival delay".
    """
    tokens = tokenize(answer)
    if len(tokens) <= 3:
        for token in tokens:
            place = english.ORDINALS.get(token.lower) or number_of(token, english.NUMBER_WORDS)
            if place is not None and 1 <= place <= len(options):
                return place - 1
    said = {token.stem for token in tokens if token.lower not in english.FUNCTION_WORDS}
    picks = [place for place, option in enumerate(options) if said and said <= set(stems(option))]
    return picks[0] if len(picks) == 1 else None

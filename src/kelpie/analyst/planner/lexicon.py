"""The catalog's words in a question, longest phrase first.

Phrases are compared by stems. Codes of up to three letters ("UA") are compared as written, because in lower case they
are too often English words.
"""

from typing import Literal

import msgspec

from kelpie.analyst.catalog import Catalog, CatalogDimension, CatalogMetric
from kelpie.analyst.metric_query import Value
from kelpie.analyst.planner import english
from kelpie.analyst.planner.words import Token, tokenize

TermKind = Literal["metric", "dimension", "value", "period", "refusal", "background", "noun"]
_CODE_CHARS_MAX = 3
_PHRASE_WORDS_MAX = 8
# Words that may stand between those of a phrase without changing what it means.
_GAPS = frozenset("a an the is are was were be been being get gets got that which who had have has".split())
BEFORE_DIMENSION = ["by", "per", "each", "every", "which", "what", "across"]


class Term(msgspec.Struct, frozen=True):
    """What a phrase means. `name` is the metric's, dimension's or period's; `label` is how to call it in a question.

    weak     the phrase alone names things, not a number: "flights" in "delays of flights"
    flipped  the phrase means the metric turned round: "punctual" for a delay
    """

    kind: TermKind
    name: str
    label: str = ""
    value: Value = None
    weak: bool = False
    flipped: bool = False


class Mention(msgspec.Struct, frozen=True):
    """Terms that the tokens `start` to before `end` can mean, all of one kind."""

    start: int
    end: int
    terms: list[Term]

    @property
    def kind(self) -> TermKind:
        return self.terms[0].kind


class Lexicon:
    def __init__(self, catalog: Catalog) -> None:
        self._phrases: dict[tuple[str, ...], list[Term]] = {}
        self._codes: dict[str, list[Term]] = {}
        self._beginnings: dict[tuple[str, ...], list[Term]] = {}
        self._nouns = {_key(tokenize(noun)) for noun in catalog.nouns}
        for metric in catalog.metrics:
            self._add_metric(metric)
        for dimension in catalog.dimensions:
            self._add_dimension(dimension)
        for period in catalog.periods:
            for phrase in (period.name, *period.synonyms):
                self._add(phrase, Term("period", period.name))
        for number, refusal in enumerate(catalog.refusals):
            for phrase in refusal.words:
                self._add(phrase, Term("refusal", str(number)))
        for phrase in catalog.background:
            self._add(phrase, Term("background", phrase))
        for phrase in catalog.nouns:
            self._add(phrase, Term("noun", phrase))

    def _add(self, phrase: str, term: Term) -> None:
        key = _key(tokenize(phrase))
        if key and term not in self._phrases.setdefault(key, []):
            self._phrases[key].append(term)

    def _add_metric(self, metric: CatalogMetric) -> None:
        for phrase in (metric.label, metric.name, *metric.synonyms):
            weak = _key(tokenize(phrase)) in self._nouns
            self._add(phrase, Term("metric", metric.name, metric.label, weak=weak))
        for phrase in metric.opposites:
            self._add(phrase, Term("metric", metric.name, metric.label, flipped=True))

    def _add_dimension(self, dimension: CatalogDimension) -> None:
        for phrase in (dimension.label, dimension.plural, dimension.name, *dimension.synonyms):
            self._add(phrase, Term("dimension", dimension.name, dimension.label))
        if dimension.type != "text":
            return  # "5" as a value would be found in "top 5"
        for known in dimension.values:
            term = Term("value", dimension.name, f"{known.value} ({dimension.label})", known.value)
            for name in (str(known.value), *known.also):
                if len(name) <= _CODE_CHARS_MAX:
                    self._codes.setdefault(name, []).append(term)
                else:
                    self._add(name, term)
            words = _key(tokenize(str(known.value)))
            for count in range(1, len(words)):
                terms = self._beginnings.setdefault(words[:count], [])
                if term not in terms:
                    terms.append(term)

    def find(self, tokens: list[Token]) -> list[Mention]:
        """Mentions from left to right; each token belongs to at most one."""
        mentions = []
        at = 0
        while at < len(tokens):
            found = self._at(tokens, at)
            if found is not None:
                mentions.append(found)
            at = found.end if found is not None else at + 1
        return mentions

    def _at(self, tokens: list[Token], at: int) -> Mention | None:
        if tokens[at].lower in _GAPS:
            return None
        places = [place for place in range(at, len(tokens)) if tokens[place].lower not in _GAPS][:_PHRASE_WORDS_MAX]
        for count in range(len(places), 0, -1):
            end = places[count - 1] + 1
            key = _key(tokens[at:end])
            terms = self._phrases.get(key) or self._begun(key, tokens[at:end])
            if count == 1 and not terms:
                terms = self._codes.get(tokens[at].text, [])
            if terms:
                return Mention(at, end, _one_kind(terms, tokens[at - 1].lower if at else ""))
        return None

    def _begun(self, key: tuple[str, ...], tokens: list[Token]) -> list[Term]:
        """Values that begin with these words: "Los Angeles" for "Los Angeles Intl".

        A single word counts only with a capital and if it is no question word: airports are called Long and General.
        """
        word = tokens[0]
        if len(key) == 1 and not (word.text[:1].isupper() and len(word.text) > _CODE_CHARS_MAX):
            return []
        if all(token.lower in english.FUNCTION_WORDS | english.SUPERLATIVES for token in tokens):
            return []
        return self._beginnings.get(key, [])


def _key(tokens: list[Token]) -> tuple[str, ...]:
    """What phrases are compared by: "share of the flights that was cancelled" is "share of flights cancelled"."""
    words = tuple(token.stem for token in tokens if token.lower not in _GAPS)
    return words or tuple(token.stem for token in tokens)


def _one_kind(terms: list[Term], before: str) -> list[Term]:
    """The terms of the kind that fits best, where one phrase has meanings of several kinds."""
    order: list[TermKind] = ["metric", "dimension", "value", "period", "refusal", "background", "noun"]
    if before in BEFORE_DIMENSION:
        order = ["dimension", "metric", "value", "period", "refusal", "background", "noun"]
    kind = min((term.kind for term in terms), key=order.index)
    return [term for term in terms if term.kind == kind]


def phrase_ends_at(tokens: list[Token], end: int, phrases: list[str]) -> int:
    """How many tokens right before `end` are one of `phrases`; 0 if none is. The longest counts."""
    longest = 0
    for phrase in phrases:
        words = [token.lower for token in tokenize(phrase)]
        if words and [token.lower for token in tokens[max(0, end - len(words)) : end]] == words:
            longest = max(longest, len(words))
    return longest

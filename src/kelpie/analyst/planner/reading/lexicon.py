"""The catalog's words in a question, longest phrase first.

Phrases are compared by stems. Codes of up to three letters ("UA") are compared as written, because in lower case they
are too often English words.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from kelpie.analyst.catalog import Catalog, CatalogDimension, CatalogMetric
from kelpie.analyst.metric_query import Value
from kelpie.analyst.planner.english.asking import BEFORE, FILLERS
from kelpie.analyst.planner.english.naming import GROUPING
from kelpie.analyst.planner.english.ranking import COMPARATIVES, SUPERLATIVES
from kelpie.analyst.planner.english.words import INFLECTED, Token, inflected, tokenize
from kelpie.analyst.planner.reading.keys import PERSONS, Key, acting, key_of, places_from

TermKind = Literal["metric", "dimension", "value", "axis", "period", "refusal", "background", "noun"]
KINDS: tuple[TermKind, ...] = ("metric", "dimension", "value", "axis", "period", "refusal", "background", "noun")
_CODE_CHARS_MAX = 3
_SURFACE_WORDS_MAX = 3
_INSIDE_MAX = 4  # a word that is in more values than that ("Intl") names none of them
_STRUCTURE = FILLERS | frozenset(BEFORE) | frozenset(SUPERLATIVES) | COMPARATIVES | GROUPING


class Term(msgspec.Struct, frozen=True):
    """What a phrase means. `name` is the metric's, dimension's or period's; `label` is how to call it in a question.

    weak     the phrase alone names things, not a number: "flights" in "delays of flights"
    flipped  the phrase means the metric turned round: "punctual" for a delay
    taught   the id of the convention that gave the phrase this meaning
    """

    kind: TermKind
    name: str
    label: str = ""
    value: Value = None
    weak: bool = False
    flipped: bool = False
    taught: str = ""

    @property
    def meaning(self) -> str:
        """As conventions write it: "metric:NAME", "value:DIMENSION=VALUE"."""
        if self.kind == "value":
            return f"value:{self.name}={self.value}"
        return f"{'time' if self.kind == 'axis' else self.kind}:{self.name}"


class Mention(msgspec.Struct, frozen=True):
    """Terms that the tokens `start` to before `end` can mean; of one kind, once it is settled which.

    might  the kinds it might have had
    holes  tokens in between that mean something else: "flights (from Newark) were cancelled"
    """

    start: int
    end: int
    terms: list[Term]
    might: frozenset[TermKind] = frozenset()
    holes: frozenset[int] = frozenset()

    @property
    def places(self) -> list[int]:
        """Its tokens."""
        return [at for at in range(self.start, self.end) if at not in self.holes]

    @property
    def kind(self) -> TermKind:
        return self.terms[0].kind

    @property
    def kinds(self) -> set[TermKind]:
        return {term.kind for term in self.terms}

    def of_kind(self, kind: TermKind) -> "Mention":
        might = frozenset(self.kinds) | self.might
        terms = [term for term in self.terms if term.kind == kind]
        return msgspec.structs.replace(self, terms=terms, might=might)

    def with_terms(self, terms: list[Term]) -> "Mention":
        return msgspec.structs.replace(self, terms=terms)


class Lexicon:
    """All phrases of one catalog. Building it takes a while, so it is kept (knowledge.py)."""

    def __init__(self, catalog: Catalog) -> None:
        self._phrases: dict[Key, list[Term]] = {}
        self._codes: dict[str, list[Term]] = {}
        self._beginnings: dict[Key, list[Term]] = {}
        self._inside: dict[str, list[Term]] = {}
        self.surface: set[str] = set()  # words of metrics and dimensions as they are written, to guess a slip by
        self._nouns = {key_of(tokenize(noun)) for noun in catalog.nouns}
        turned: dict[Key, list[Term]] = {}
        for metric in catalog.metrics:
            self._add_metric(metric, turned)
        for dimension in catalog.dimensions:
            self._add_dimension(dimension)
        self._add_others(catalog)
        for key, terms in turned.items():
            self._phrases.setdefault(key, terms)

    def _add_others(self, catalog: Catalog) -> None:
        for axis in catalog.times:
            for phrase in (axis.label, *axis.synonyms):
                self._add(phrase, Term("axis", axis.name, axis.label))
        for period in catalog.periods:
            for phrase in (period.name, *period.synonyms):
                self._add(phrase, Term("period", period.name))
        for number, refusal in enumerate(catalog.refusals):
            for phrase in refusal.words:
                self._add(phrase, Term("refusal", str(number)))
        for phrase in catalog.background:
            self._add(phrase, Term("background", phrase))
            self._add_verb(phrase)
        for phrase in catalog.nouns:
            self._add(phrase, Term("noun", phrase))

    def _add(self, phrase: str, term: Term) -> None:
        tokens = tokenize(phrase)
        key = key_of(tokens)
        if term.kind in ("metric", "dimension") and len(tokens) <= _SURFACE_WORDS_MAX:
            self.surface.update(token.lower for token in tokens)
        if key and term not in self._phrases.setdefault(key, []):
            self._phrases[key].append(term)

    def _add_verb(self, phrase: str) -> None:
        """ "Fly" adds nothing, and neither do "flew" and "flying"."""
        first, *rest = key_of(tokenize(phrase)) or ("",)
        for other in (first.removesuffix(INFLECTED), inflected(first)):
            if other and (other, *rest) not in self._phrases:
                self._phrases[other, *rest] = [Term("background", phrase)]

    def _add_metric(self, metric: CatalogMetric, turned: dict[Key, list[Term]]) -> None:
        for phrase in (metric.label, metric.name, *metric.synonyms):
            key = key_of(tokenize(phrase))
            term = Term("metric", metric.name, metric.label, weak=key in self._nouns)
            self._add(phrase, term)
            # "Cancelled flights" are also "flights that were cancelled".
            if len(key) > 1 and key[-2].endswith(INFLECTED) and not key[-1].endswith(INFLECTED):
                turned.setdefault((*key[:-2], key[-1], key[-2]), []).append(term)
        for phrase in metric.opposites:
            self._add(phrase, Term("metric", metric.name, metric.label, flipped=True))

    def _add_dimension(self, dimension: CatalogDimension) -> None:
        for phrase in (dimension.label, dimension.plural, dimension.name, *dimension.synonyms):
            self._add(phrase, Term("dimension", dimension.name, dimension.label))
        for known in dimension.values:
            term = Term("value", dimension.name, f"{known.value} ({dimension.label})", known.value)
            # "5" as a value would be found in "top 5", "true" says nothing of what is true.
            names = known.also if dimension.type != "text" else (str(known.value), *known.also)
            for name in names:
                self._add_value(name, term)
            if dimension.type == "text":
                words = key_of(tokenize(str(known.value)))
                for count in range(1, len(words)):
                    _append(self._beginnings.setdefault(words[:count], []), term)
                for token in tokenize(str(known.value)):
                    if token.text[:1].isupper() and len(token.text) > _CODE_CHARS_MAX and len(words) > 1:
                        _append(self._inside.setdefault(token.lower, []), term)

    def _add_value(self, name: str, term: Term) -> None:
        tokens = tokenize(name)
        if len(name) <= _CODE_CHARS_MAX or (len(tokens) == 1 and tokens[0].lower in _STRUCTURE):
            if not name.isdecimal():
                self._codes.setdefault(name, []).append(term)
        elif not all(token.lower.isdecimal() for token in tokens):
            self._add(name, term)

    def terms(self, key: Key) -> list[Term]:
        """What the catalog means by a phrase (phrase_key)."""
        return self._phrases.get(key, [])

    def find(self, tokens: list[Token], taught: Mapping[Key, list[Term]]) -> list[Mention]:
        """Mentions from left to right; each token belongs to at most one. `taught` phrases mean what was taught."""
        mentions = []
        at = 0
        verbs = acting(tokens)
        while at < len(tokens):
            found = self._at(tokens, at, taught, verbs, frozenset())
            if found is not None:
                mentions.append(found)
            at = found.end if found is not None else at + 1
        return mentions

    def bridged(self, tokens: list[Token], taught: Mapping[Key, list[Term]], islands: frozenset[int]) -> list[Mention]:
        """Metrics whose words stand on both sides of `islands`: "flights from Newark were cancelled"."""
        verbs = acting(tokens)
        found = []
        for at in range(len(tokens)):
            mention = None if at in islands else self._at(tokens, at, taught, verbs, islands)
            if mention is not None and mention.holes and "metric" in mention.kinds:
                found.append(mention.of_kind("metric"))
        return found

    def _at(
        self,
        tokens: list[Token],
        at: int,
        taught: Mapping[Key, list[Term]],
        verbs: frozenset[int],
        islands: frozenset[int],
    ) -> Mention | None:
        places = places_from(tokens, at, islands=islands)
        for count in range(len(places), 0, -1):
            end = places[count - 1] + 1
            key = tuple(tokens[place].stem for place in places[:count])
            terms = taught.get(key) or self._meanings(key, tokens, places[:count], verbs)
            if count == 1 and (not terms or terms is self._beginnings.get(key)):
                terms = self._codes.get(tokens[at].text, []) or self._within(tokens[at]) or terms
            if terms:
                return Mention(at, end, terms, holes=frozenset(range(at, end)) & islands)
        return None

    def _meanings(self, key: Key, tokens: list[Token], places: list[int], verbs: frozenset[int]) -> list[Term]:
        """Of the phrase as it stands; of "did we collect" also of "collected", which goes first for a lone verb."""
        acted = tuple(inflected(stem) if place in verbs else stem for stem, place in zip(key, places, strict=True))
        done = self._phrases.get(acted, []) if acted != key else []
        if done and places[0] > 0 and tokens[places[0] - 1].lower in PERSONS:
            return done
        return self._phrases.get(key) or self._begun(key, [tokens[place] for place in places]) or done

    def _within(self, word: Token) -> list[Term]:
        """Values that have the word in them: "Atlanta" for "Hartsfield Jackson Atlanta Intl"; none if many have."""
        if not word.text[:1].isupper() or word.lower in _STRUCTURE:
            return []
        terms = self._inside.get(word.lower, [])
        return terms if len(terms) <= _INSIDE_MAX else []

    def _begun(self, key: Key, tokens: list[Token]) -> list[Term]:
        """Values that begin with these words: "Los Angeles" for "Los Angeles Intl".

        A single word counts only with a capital and if it is no question word: airports are called Long and General.
        """
        word = tokens[0]
        if len(key) == 1 and not (word.text[:1].isupper() and len(word.text) > _CODE_CHARS_MAX):
            return []
        if all(token.lower in _STRUCTURE for token in tokens):
            return []
        return self._beginnings.get(key, [])


def _append(terms: list[Term], term: Term) -> None:
    if term not in terms:
        terms.append(term)

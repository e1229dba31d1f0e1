"""Which of several meanings is meant: what an answer picks, and what conventions say."""

import msgspec

from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner.english.asking import FILLERS
from kelpie.analyst.planner.english.dates import NUMBER_WORDS, ORDINALS
from kelpie.analyst.planner.english.words import number_of, stems, tokenize
from kelpie.analyst.planner.reading.keys import Key, phrase_key
from kelpie.analyst.planner.reading.lexicon import Lexicon, Term
from kelpie.analyst.planner.taught.conventions import Taught


class Choice(msgspec.Struct, frozen=True):
    """One of several meanings. `meaning` is how conventions write it; "" is not worth keeping."""

    label: str
    meaning: str = ""


def told_apart(terms: list[Term]) -> list[Term]:
    """Terms that an answer could pick: of several with one label and meaning the first."""
    return list({(term.kind, term.label, str(term.value)): term for term in reversed(terms)}.values())[::-1]


def taught_terms(taught: Taught, catalog: Catalog, lexicon: Lexicon) -> dict[Key, list[Term]]:
    """The phrases that conventions give a meaning, as far as the catalog has it."""
    found: dict[Key, list[Term]] = {}
    for convention in sorted(taught.conventions, key=lambda one: one.kind == "correction"):
        kind, _, name = convention.value.partition(":")
        term = None if convention.kind == "preference" else term_of(kind, name, catalog)
        key = phrase_key(convention.topic)
        # "invoices" may mean which of their dates counts: that is no other meaning of the word, but asked for apart.
        dates_a_metric = kind == "time" and any(known.kind == "metric" for known in lexicon.terms(key))
        if term is not None and key and not dates_a_metric:
            found[key] = [msgspec.structs.replace(term, taught=convention.topic)]
    return found


def term_of(kind: str, name: str, catalog: Catalog) -> Term | None:
    """What a convention's value stands for, or None if the data have no such thing."""
    if kind == "metric" and (metric := catalog.metric(name)) is not None:
        return Term("metric", name, metric.label)
    if kind == "dimension" and (dimension := catalog.dimension(name)) is not None:
        return Term("dimension", name, dimension.label)
    if kind == "time" and (axis := catalog.axis(name)) is not None:
        return Term("axis", name, axis.label)
    if kind == "value":
        of, _, said = name.partition("=")
        dimension = catalog.dimension(of)
        for known in dimension.values if dimension is not None else []:
            if str(known.value) == said and dimension is not None:
                return Term("value", of, f"{said} ({dimension.label})", known.value)
    return None


def choose(options: list[str], answer: str) -> int | None:
    """Which option an answer picks: by its words, or by its number or place. None if it picks none or several.

    All of its words must be in the option: "median arrival delay" does not pick "average arrival delay".
    """
    tokens = tokenize(answer)
    # "North (pickup branch)" is picked by either part as well.
    whole = tuple(token.stem for token in tokens if token.lower not in _LEADING | {"the"})
    exact = [place for place, option in enumerate(options) if whole in [stems(part) for part in _parts(option)]]
    if len(exact) == 1:
        return exact[0]
    said = {token.stem for token in tokens if token.lower not in FILLERS | _LEADING}
    picks = [place for place, option in enumerate(options) if said and said <= set(stems(option))]
    if len(picks) == 1:
        return picks[0]
    if len(tokens) <= 3 and not picks:
        for token in tokens:
            place = ORDINALS.get(token.lower) or number_of(token, NUMBER_WORDS)
            if place is not None and 1 <= place <= len(options):
                return place - 1
    return None


def _parts(option: str) -> list[str]:
    before, _, behind = option.partition(" (")
    return [option, before, behind.removesuffix(")")]


_LEADING = frozenset({"by", "of", "in", "for", "to", "with", "option", "one", "use", "please", "and", "or", "as"})

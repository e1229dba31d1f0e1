"""Text -> tokens with stems, so that "delays" and "delay" meet, and "cancelled" and "canceling"."""

import re
from collections.abc import Mapping, Sequence

import msgspec

_TOKEN = re.compile(
    r"\d{4}-\d{2}(?:-\d{2})?(?![\d-])"  # a day or month as ISO writes it
    r"|(?:(?<![\w.,)-])[-−])?\d+(?:[.,]\d+)*(?:st|nd|rd|th|k|m|mn|bn|b)?(?!\w)"  # a number, an ordinal, "5k"
    r"|[^\W_]+(?:['’][^\W_]+)*"  # a word, with an apostrophe or without
    r"|[%$€£¥<>≥≤=+*&@#^~|\\/{}\[\]]",  # a sign that means something; other punctuation only parts
    re.IGNORECASE,
)
_DOUBLED = re.compile(r"([bdglmnprt])\1$")
INFLECTED = "~"  # after a stem: of a verb form, "planned" beside "plan"
# Past forms that no ending shows.
_PAST = {
    "paid": "pay", "sold": "sell", "lost": "lose", "won": "win", "spent": "spend", "sent": "send", "bought": "buy",
    "left": "leave", "made": "make", "brought": "bring", "began": "begin", "begun": "begin", "gave": "give",
    "given": "give", "took": "take", "taken": "take", "flew": "fly", "flown": "fly", "got": "get", "held": "hold",
    "kept": "keep", "built": "build", "told": "tell", "written": "write", "wrote": "write", "drove": "drive",
    "driven": "drive", "ate": "eat", "eaten": "eat", "caught": "catch", "taught": "teach", "met": "meet",
    "lent": "lend", "drawn": "draw", "drew": "draw", "chose": "choose", "chosen": "choose", "sunk": "sink",
}  # fmt: skip


class Token(msgspec.Struct, frozen=True):
    """`before` is the punctuation that parts it from the token before: some of ",", ".", "-"."""

    text: str  # without a possessive 's
    lower: str
    stem: str
    before: str = ""


def tokenize(text: str) -> list[Token]:
    tokens = []
    end = 0
    for found in _TOKEN.finditer(text):
        word = found.group().replace("’", "'").replace("−", "-").removesuffix("'s")
        parted = _punctuation(text[end : found.start()])
        tokens.append(Token(word, word.lower(), stem(word.lower()), parted))
        end = found.end()
    return tokens


def _punctuation(text: str) -> str:
    marks = ("," if set(text) & set(",;:()") else "") + ("." if set(text) & set(".?!\n") else "")
    return marks + ("-" if set(text) & set("-–—") else "")


def stem(word: str) -> str:
    """A light English stem: the ending of number goes, those of verb forms become one mark. Only for comparing words.

    The mark keeps "planned revenue" from being revenue by plan.
    """
    if word in _PAST:
        return inflected(_PAST[word])
    if len(word) <= 3 or not word.isalpha():
        return word
    word = _singular(word)
    mark = ""
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word, mark = _DOUBLED.sub(r"\1", word[: -len(ending)]), INFLECTED
            break
    return _bare(word) + mark


def inflected(word: str) -> str:
    """The stem of the past form of a word or stem, "los~" for "lose"; of one that is inflected, itself."""
    return word if word.endswith(INFLECTED) else word.removesuffix("e") + INFLECTED


def _bare(word: str) -> str:
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def stems(text: str) -> tuple[str, ...]:
    return tuple(token.stem for token in tokenize(text))


def number_of(token: Token, words: Mapping[str, int]) -> int | None:
    """The whole number a token says, in digits or as one of `words`."""
    if token.lower.isdecimal() and len(token.lower) <= 4:
        return int(token.lower)
    return words.get(token.lower)


def is_or_are(label: str) -> str:
    """The verb that goes with a name: "number of orders" is one thing, "paying customers" are many."""
    head = label.split(" of ", maxsplit=1)[0].split(" per ", maxsplit=1)[0].split(" on ", maxsplit=1)[0]
    return "are" if head.endswith("s") and not head.endswith(("ss", "us", "is")) else "is"


def with_article(label: str) -> str:
    """ "a churn rate", "an average", "an MRR"."""
    spelled = label[:2].isupper()  # letter by letter: "em", "ar"
    return f"{'an' if label[:1] in ('AEFHILMNORSX' if spelled else 'aeiouAEIO') else 'a'} {label}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"

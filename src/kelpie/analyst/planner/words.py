"""Text -> tokens with stems, so that "delays", "delay" and "delayed" meet."""

import re

import msgspec

_TOKEN = re.compile(
    r"\d{4}-\d{2}(?:-\d{2})?(?![\d-])"  # a day or month as ISO writes it
    r"|\d+(?:[.,]\d+)*(?:st|nd|rd|th)?(?!\w)"  # a number or an ordinal
    r"|[^\W_]+(?:['’][^\W_]+)*"  # a word, with an apostrophe or without
)
_DOUBLED = re.compile(r"([bdglmnprt])\1$")


class Token(msgspec.Struct, frozen=True):
    text: str  # without a possessive 's
    lower: str
    stem: str


def tokenize(text: str) -> list[Token]:
    tokens = []
    for found in _TOKEN.finditer(text):
        text = found.group().replace("’", "'").removesuffix("'s")
        tokens.append(Token(text, text.lower(), stem(text.lower())))
    return tokens


def stem(word: str) -> str:
    """A light English stem: endings of number and tense go, the rest stays. Only for comparing two words."""
    if len(word) <= 3 or not word.isalpha():
        return word
    word = _singular(word)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = _DOUBLED.sub(r"\1", word[: -len(ending)])
            break
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


def number_of(token: Token, words: dict[str, int]) -> int | None:
    """The whole number a token says, in digits or as one of `words`."""
    if token.lower.isdigit() and len(token.lower) <= 4:
        return int(token.lower)
    return words.get(token.lower)

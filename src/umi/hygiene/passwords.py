"""Passwords, PINs and keys that a sentence or an assignment gives away: "the password is …", `API_KEY=…`.

The word before says what it is; whether the word after *is* one or speaks *about* one ("is too weak", "was changed") is
judged by its form. A value in quotes, or with digits or signs among letters, is one. A plain word is one only where the
sentence ends with it, and it isn't among those that describe passwords.
"""

import re
from collections.abc import Iterator

from umi.hygiene.patterns import Pattern

_WORDS = ("pass", "pwd", "kennwort", "secret", "token", "key", "credential", "pin")
_KEY_OF = Pattern(r"(?:api|access|secret|private|auth|client|encryption|signing|bearer)[\s_-]{0,2}\Z", re.IGNORECASE)
_FOR = r"(?:\s+(?:for|to|of|on|at|in)\s+[^.!?:=\n]{1,60}?)?"
_IS = r"(?:\s+(?:is|was|are|will\s+be|reads|to|ist|lautet)\b(?:\s+(?:now|currently|still|just|again))?\s*:?\s*)"
_ASSIGNED = r"""(?:["'`\])]{0,2}\s{0,3}(?::=|=>|==?|:)\s{0,3})"""
_VALUE = r"""(?:["'`“‘«](?P<quoted>[^"'`”’»\n]{3,100})["'`”’»]|(?P<plain>[^\s"'`“”]{4,200}))"""
_SAID = Pattern(
    r"(?<!\d)(?:(?P<password>(?:pass(?:word|wort|wd|phrase|code|key)|pwd|kennwort)s?)"
    r"|(?P<key>(?:secret|token|credential|key)s?)|(?<![a-z])(?P<pin>pin)\b(?:\s(?:code|number))?)"
    rf"(?:{_ASSIGNED}|{_FOR}(?:{_IS}|{_ASSIGNED})){_VALUE}",
    re.IGNORECASE,
)
# What is said about passwords, and so isn't one.
_ABOUT = frozenset(
    (
        "above again always annoying anyone anything attached available awful bad below better blank boring broken "
        "bytes case complex confidential correct dead different due easy empty encrypted enough everyone everything "
        "false fine gone good great hard here hers hidden him his immutable important in incorrect invalid it known "
        "long lost mandatory mine missing mutable necessary never new nice nobody none not nothing null off okay old "
        "on optional ours out over plain plaintext private public ready ridiculous right safe same secret secure "
        "sensitive short simple something soon stale string strong terrible text that theirs them there this today "
        "tomorrow trivial true unavailable undefined unique unknown valid weak what where which worse wrong yours "
    ).split()
)
_DESCRIBES = Pattern(r"[a-z]+(?:ed|ing|able|ible|ful|less|ous|ive|ly)\Z")
_TECHNICAL = Pattern(
    r"(?i)(?:sha|md|aes|rsa|base|utf|bcrypt|argon|pbkdf|oauth|erc|x\.?5|http|ecdsa|ed)[-_]?\d+\b|https?:|www\."
    r"|\d+[-_]?(?:char|digit|letter|day|month|year|hour|week|min|word|bit|byte|chars?|x)\b|.*(?:hash|encod|encrypt)"
    r"|\d+[-_]?(?:character|digit|letter|day|month|year|hour|week|minute|word|bit|byte)s?\b"
)
_CODE = Pattern(r"[()\[\]{}<>]")
_SIGNS = Pattern(r"[@#$%^&*+=~!?_|\\]")
_ENDS = Pattern(r"[\s.!?)\]\"'”’»]*(?:\Z|\n)|[.!?;]\s")


def passwords(text: str) -> Iterator[tuple[str, int, int]]:
    """("password" | "pin", start, end) of each value that is given away."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters grow when they get small; positions have to be those of the text
        lowered = "".join(c.lower() if c.isascii() else c for c in text)
    for word in _WORDS:
        at = lowered.find(word)
        while at >= 0:
            match = _SAID.match(text, at)
            if match is not None and (word != "key" or _KEY_OF.search(text, max(0, at - 14), at)):
                start, end = match.span("quoted") if match["quoted"] else _trimmed(text, *match.span("plain"))
                if _is_secret(match, text, start, end):
                    yield ("pin" if match["pin"] else "password"), start, end
            at = lowered.find(word, at + 1)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without what ends a sentence or a clause around it."""
    while end > start and text[end - 1] in ".,;:)]}>?":
        end -= 1
    return start, end


def _is_secret(match: "re.Match[str]", text: str, start: int, end: int) -> bool:
    value = text[start:end]
    if value[:1] in ("[", "<", "{", "$", "*", "…") or set(value) <= set("*.•x-_"):
        return False  # a placeholder, or already taken out
    if match["pin"]:
        return value.isdecimal() and 4 <= len(value) <= 8
    if _TECHNICAL.match(value):
        return False
    if match["key"]:
        return len(value) >= 8 and _has_letter_and_digit(value) and not _CODE.search(value)
    return _is_password(value, quoted=match["quoted"] is not None, ends=_ENDS.match(text, end) is not None)


def _is_password(value: str, *, quoted: bool, ends: bool) -> bool:
    words = value.lower().split()
    if quoted:
        return len(value) >= 4 and any(word not in _ABOUT and not _DESCRIBES.match(word) for word in words)
    if value.isdecimal() or _has_letter_and_digit(value) or (_SIGNS.search(value[:-1]) and not value.endswith("?")):
        return len(value) >= 4
    if value.isalpha() and value != value.lower() and value != value.capitalize() and not value.isupper():
        return True  # capitals among small letters
    plain = value.rstrip("!").lower()
    if plain.count("-") >= 2:
        return ends
    return ends and plain.isalpha() and plain not in _ABOUT and not _DESCRIBES.match(plain)


def _has_letter_and_digit(value: str) -> bool:
    return any(c.isdecimal() for c in value) and any(c.isalpha() for c in value)

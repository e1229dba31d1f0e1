"""Secrets and personal data in a text: what kind, and where.

Own code, because the library for it, detect-secrets, looks through lines of source code: given a sentence it reports
"the" as a secret, says no position, and takes 1.7 ms for 120 characters (this takes some 10 µs where nothing is found).
Precision is worth more than completeness here, since what is found is by default taken out of a memory.

Texts are searched by hints first, each so cheap that a sentence without any costs almost nothing; every pattern behind
them is bounded, so that a hostile text costs time in proportion to its length.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from umi.hygiene.passwords import passwords
from umi.hygiene.patterns import Pattern

SECRETS = frozenset(
    "private_key anthropic_key openai_key stripe_key github_token gitlab_token slack_token aws_key google_key jwt"
    " access_token password pin high_entropy".split()
)
PERSONAL = frozenset("card iban ssn email phone".split())
KINDS = SECRETS | PERSONAL


class Finding(msgspec.Struct, frozen=True):
    """`text[start:end]` is of that kind (one of KINDS). The value itself is kept nowhere."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Finding]:
    """Every secret and piece of personal data, in the order of the text; none overlaps another."""
    found: list[Finding] = []
    for kind, start, end in _candidates(text):
        if all(end <= one.start or start >= one.end for one in found):
            found.append(Finding(kind, start, end))
    return sorted(found, key=lambda one: one.start)


_LONG_WORD = 20  # characters: the shortest key that is known by its form alone
_HAS_NUMBER = Pattern(r"\d(?:[ ().\-/]{0,2}\d){6}")

# The end of the text ends a key too: what was cut off is no less secret.
_PRIVATE_KEY = Pattern(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_TOKENS = Pattern(
    r"""(?<![A-Za-z0-9_])(?:
      (?P<anthropic_key>sk-ant-[A-Za-z0-9_-]{20,})
    | (?P<openai_key>sk-(?=[A-Za-z_-]{0,200}\d)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,})
    | (?P<stripe_key>[srp]k_(?:live|test)_[A-Za-z0-9]{16,} | whsec_[A-Za-z0-9+/=]{24,})
    | (?P<github_token>gh[pousr]_[A-Za-z0-9]{36,} | github_pat_[A-Za-z0-9_]{40,})
    | (?P<gitlab_token>gl(?:pat|dt|rt|cbt)-[A-Za-z0-9_-]{20,})
    | (?P<slack_token>xox[abeposr]-[A-Za-z0-9-]{10,} | xapp-\d-[A-Za-z0-9-]{10,}
        | hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,})
    | (?P<aws_key>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9]))
    | (?P<google_key>AIza[A-Za-z0-9_-]{35} | GOCSPX-[A-Za-z0-9_-]{28} | ya29\.[A-Za-z0-9_-]{20,})
    | (?P<jwt>eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})
    | (?P<access_token>npm_[A-Za-z0-9]{36} | pypi-[A-Za-z0-9_-]{50,} | hf_[A-Za-z0-9]{30,}
        | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,} | do[opr]_v1_[a-f0-9]{64} | \d{8,10}:AA[A-Za-z0-9_-]{33})
    )""",
    re.VERBOSE,
)
_BEARER = Pattern(r"(?i:\bbearer|\bbasic)\s{1,3}([A-Za-z0-9._~+/-]{20,}={0,2})")
_URL = Pattern(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://\S{1,2000}")
_URL_PASSWORD = Pattern(r"://[^\s/:@]{0,100}:([^\s/@]{1,100})@")
_EMAIL = Pattern(r"(?<![\w.+%-])[\w+%-][\w.+%-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_SSN = Pattern(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_SSN_SAID = Pattern(r"(?i:\b(?:ssn|social security)\b)[^\d\n]{0,20}((?!000|666|9)\d{3} ?(?!00)\d\d ?(?!0000)\d{4})\b")
_CARD = Pattern(
    r"(?<![\w.-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{13,19})(?![\w-])"
)
_ISSUERS = Pattern(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}"
    r"|35\d{14}|62\d{14,17}"
)
_IBAN = Pattern(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![a-z0-9])")
_IBAN_COUNTRIES = {  # by the length of their numbers
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT",
    26: "IS TR",
    27: "FR GR IT MC SM",
    28: "AL AZ CY DO GT HU LB PL",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
_IBAN_LENGTHS = {country: length for length, countries in _IBAN_COUNTRIES.items() for country in countries.split()}
_PHONE_ABROAD = Pattern(r"(?<![\w+])\+\d{1,3}(?:[ .\-/]?\(?\d{1,4}\)?){2,6}(?!\d)")
_PHONE_AMERICAN = Pattern(r"(?<![\w.-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])\d{3}[-. ]\d{4}(?![\w-])")
_PHONE_SAID = Pattern(
    r"(?i:\b(?:phone|tel|telephone|mobile|cell|handy|fax|whatsapp|call me (?:at|on)|text me (?:at|on))\b)"
    r"[^\d\n+]{0,25}(\(?\d[\d ().\-/]{5,18}\d)(?!\w)"
)
_MIXED = Pattern(r"(?<![A-Za-z0-9+/=_.@-])[A-Za-z0-9+/_-]{24,}={0,2}(?![A-Za-z0-9+/=_@-])")
_PIECE = Pattern(r"[A-Za-z0-9]{20,}")


def _candidates(text: str) -> Iterator[tuple[str, int, int]]:
    """What patterns say, the surest kinds first: a later one that overlaps an earlier is dropped."""
    has_long_word = max(map(len, text.split()), default=0) >= _LONG_WORD
    if "-----BEGIN" in text:
        yield from (("private_key", *match.span()) for match in _PRIVATE_KEY.finditer(text))
    if has_long_word:
        yield from ((match.lastgroup or "", *match.span()) for match in _TOKENS.finditer(text))
        yield from (("access_token", *match.span(1)) for match in _BEARER.finditer(text) if _is_varied(match[1]))
    if "://" in text:
        yield from (("password", *match.span(1)) for match in _URL_PASSWORD.finditer(text) if match[1][0] not in "[<{$")
    yield from passwords(text)
    if _HAS_NUMBER.search(text):
        yield from _ibans(text)
        yield from _numbers(text)
    if "@" in text:
        yield from (("email", *match.span()) for match in _EMAIL.finditer(text))
    if has_long_word:
        yield from _high_entropy(text)


def _numbers(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _ISSUERS.fullmatch(digits) and _passes_luhn(digits):
            yield "card", *match.span()
    yield from (("ssn", *match.span()) for match in _SSN.finditer(text))
    yield from (("ssn", *match.span(1)) for match in _SSN_SAID.finditer(text))
    for pattern, group in ((_PHONE_ABROAD, 0), (_PHONE_AMERICAN, 0), (_PHONE_SAID, 1)):
        for match in pattern.finditer(text):
            if 7 <= sum(map(str.isdecimal, match[group])) <= 15:
                yield "phone", *match.span(group)


def _passes_luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _ibans(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _IBAN.finditer(text):
        wanted = _IBAN_LENGTHS.get(match[0][:2], 0)
        end = match.start()
        for at in range(match.start(), match.end()):  # a word in capitals may follow: the country says where it ends
            wanted -= text[at] != " "
            if not wanted:
                end = at + 1
                break
        whole = text[match.start() : end].replace(" ", "")
        if whole and int("".join(str(int(c, 36)) for c in whole[4:] + whole[:4])) % 97 == 1:
            yield "iban", match.start(), end


def _high_entropy(text: str) -> Iterator[tuple[str, int, int]]:
    """Long tokens of letters and digits that nobody would speak. Not hexadecimal ones (checksums, commits, ids), nor
    parts of addresses, names of files and identifiers: they look alike and are no secrets."""
    urls = [match.span() for match in _URL.finditer(text)]
    for match in _MIXED.finditer(text):
        if not any(start <= match.start() < end for start, end in urls) and any(
            _is_varied(piece) for piece in _PIECE.findall(match[0])
        ):
            yield "high_entropy", *match.span()


def _is_varied(token: str) -> bool:
    """Upper and lower case and digits in turn, as a random generator mixes them."""
    token = token[:256]  # enough to judge by
    groups = re.findall(r"[A-Z]+|[a-z]+|\d+", token)
    kinds = Counter("digit" if g[0].isdecimal() else "upper" if g[0].isupper() else "lower" for g in groups)
    if len(kinds) < 3 or kinds["digit"] < 2 or len(groups) * 4 < len(token):
        return False
    counts = Counter(token)
    bits = -sum(n / len(token) * math.log2(n / len(token)) for n in counts.values())
    return bits >= 0.8 * math.log2(min(len(token), 64))

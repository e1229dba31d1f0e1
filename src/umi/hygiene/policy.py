"""What happens to secrets and personal data on their way into memory: each kind is allowed, redacted or refused."""

from collections.abc import Mapping, Sequence
from typing import Literal

from umi.errors import InvalidInput
from umi.hygiene.detect import KINDS, PERSONAL, SECRETS, Finding, find

Action = Literal["allow", "redact", "refuse"]

# Nobody needs to recall a key, a card or a social security number from a memory, and whoever reads the memory would
# have them. How to reach a person is what memories are for: it stays, and the fact says that it holds it.
DEFAULT: Mapping[str, Action] = {
    **dict.fromkeys(sorted(SECRETS | {"card", "ssn"}), "redact"),
    **dict.fromkeys(sorted(PERSONAL - {"card", "ssn"}), "allow"),
}


def check_policy(policy: Mapping[str, Action]) -> None:
    """Raise InvalidInput for a kind or an action that isn't one."""
    for kind, action in policy.items():
        if kind not in KINDS:
            raise InvalidInput(f"the policy names {kind!r}, which is no kind; there are {', '.join(sorted(KINDS))}")
        if action not in ("allow", "redact", "refuse"):
            raise InvalidInput(f"the policy for {kind} must be allow, redact or refuse, not {action!r}")


def apply(text: str, policy: Mapping[str, Action] | None = None) -> tuple[str, list[Finding]]:
    """The text as it may be stored, and all that was found in the text as it came (see `marks`).

    policy  what happens to each kind; those it doesn't name follow DEFAULT
    What is redacted reads "[redacted password]". Raises InvalidInput for what is refused, without repeating it.
    """
    policy = policy or {}
    check_policy(policy)
    findings = find(text)
    kept: list[str] = []
    at = 0
    for one in findings:
        action = policy.get(one.kind, DEFAULT[one.kind])
        if action == "refuse":
            raise InvalidInput(
                f"the text holds what looks like a secret or personal data ({one.kind}, characters {one.start} to"
                f" {one.end}), which this memory's policy refuses; leave it out"
            )
        if action == "redact":
            kept += (text[at : one.start], f"[redacted {one.kind}]")
            at = one.end
    return "".join(kept) + text[at:], findings


def marks(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """What a fact's metadata says of it: {"secrets": ["password"], "personal": ["email"]}; empty if nothing."""
    kinds = {one.kind for one in findings}
    groups = {"secrets": sorted(kinds & SECRETS), "personal": sorted(kinds & PERSONAL)}
    return {name: found for name, found in groups.items() if found}

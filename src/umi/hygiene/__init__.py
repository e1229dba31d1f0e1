"""What keeps a memory clean: secrets out, nothing twice, nothing that it said itself, and a look at what it holds.

    detect      secrets and personal data in a text: kind and place
    passwords   those that a sentence gives away
    patterns    regular expressions, compiled when first used
    policy      allow, redact or refuse, by kind
    duplicates  near duplicates: texts that say the same in other words
    echoes      what recall returned, so that it isn't remembered again
    junk        texts that are no memory: acknowledgements, system prompts
    audits      a report on what a scope holds

Writers ask `Echoes.strip` and then `apply`, before a text is read any further; the rest looks at what is stored.
"""

from umi.hygiene.audits import Audit, Example, audit
from umi.hygiene.detect import KINDS, PERSONAL, SECRETS, Finding, find
from umi.hygiene.duplicates import Near, near_duplicates
from umi.hygiene.echoes import RECALL_TAG, Echoes, stored
from umi.hygiene.policy import DEFAULT, Action, apply, check_policy, marks

__all__ = [
    "DEFAULT",
    "KINDS",
    "PERSONAL",
    "RECALL_TAG",
    "SECRETS",
    "Action",
    "Audit",
    "Echoes",
    "Example",
    "Finding",
    "Near",
    "apply",
    "audit",
    "check_policy",
    "find",
    "marks",
    "near_duplicates",
    "stored",
]

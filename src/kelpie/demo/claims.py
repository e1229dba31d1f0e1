"""What the demo claims is checked while people watch; what does not hold ends it."""

from kelpie.errors import EnvironmentFault


class ClaimFailed(EnvironmentFault):
    """Something the demo shows did not hold."""


def claim(holds: bool, text: str) -> None:
    """Raises ClaimFailed unless it `holds`."""
    if not holds:
        raise ClaimFailed(f"this should hold and does not: {text}")

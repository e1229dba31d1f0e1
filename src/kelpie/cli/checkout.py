"""Which code this is: the commit of the checkout it runs from, or the version that was installed."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def commit() -> str:
    """With "-dirty" if files were changed since; a seed means something only together with it."""
    folder = Path(__file__).parent
    # A package that lies in somebody else's repository (a virtual environment there) is not of its commits.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return f"version {version('kelpie')}"
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") or "unknown"


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None if it refuses, or isn't there."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command line
    except OSError:
        return None
    return ran.stdout.strip() if ran.returncode == 0 else None

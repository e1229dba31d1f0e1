"""What a tool requires, in one form: `name[extra]>=1,<2`. Options, URLs, paths and markers are not requirements."""

import re
from collections.abc import Sequence

from kelpie.errors import InvalidInput
from kelpie.sandbox import limits

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"(?:==|!=|~=|<=|>=|<|>)\s*[A-Za-z0-9][A-Za-z0-9.!+_-]*(?:\.\*)?"
_REQUIREMENT = re.compile(
    rf"\s*({_NAME})\s*(?:\[\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*\])?\s*({_VERSION}(?:\s*,\s*{_VERSION})*)?\s*"
)


def read_requirements(requirements: Sequence[str]) -> tuple[str, ...]:
    """Each requirement in its one form, sorted, each once: two lists that mean the same are the same.

    Raises InvalidInput naming the one that is none, LimitExceeded never: the bounds are part of the form.
    """
    if len(requirements) > limits.LAYER_REQUIREMENTS_MAX:
        raise InvalidInput(f"{len(requirements)} packages are required; at most {limits.LAYER_REQUIREMENTS_MAX} may be")
    return tuple(sorted({_read(requirement) for requirement in requirements}))


def _read(requirement: str) -> str:
    found = _REQUIREMENT.fullmatch(requirement) if len(requirement) <= limits.LAYER_REQUIREMENT_CHARS_MAX else None
    if found is None:
        raise InvalidInput(
            f"{requirement[:200]!r} is no requirement: write name, name==1.2 or name[extra]>=1,<2;"
            " options, addresses and paths are not taken"
        )
    name, extras, versions = found.groups()
    extras_text = f"[{','.join(sorted({_plain(extra) for extra in extras.split(',')}))}]" if extras else ""
    versions_text = ",".join(sorted("".join(version.split()) for version in versions.split(","))) if versions else ""
    return f"{_plain(name)}{extras_text}{versions_text}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()

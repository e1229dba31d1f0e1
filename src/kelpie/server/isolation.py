"""The isolation of code that isn't ours: which levels this server has, what each trust needs, and how both are told."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from kelpie.config import Config
from kelpie.errors import InvalidInput
from kelpie.sandbox import MINIMUM, LevelName, LevelReport, Levels, ProcessLevel, Trust
from kelpie.sandbox.microvm import Binary, MicroVmLevel, microvm_folder
from kelpie.sandbox.sandbox import LEVEL_NAMES
from umi.dst import Host


def levels(process: ProcessLevel, config: Config, host: Host) -> Levels:
    """Every level this server knows; each says itself whether it exists here. Raises InvalidInput for a binary without
    its hash."""
    microvm = MicroVmLevel(
        host,
        microvm_folder(config.data_folder),
        firecracker=_binary("FIRECRACKER", config.firecracker, config.firecracker_sha256),
        jailer=_binary("JAILER", config.jailer, config.jailer_sha256),
    )
    return Levels([process, microvm], minimum_of(config))


def _binary(name: str, path: str | None, sha256: str | None) -> Binary | None:
    if path is None and sha256 is None:
        return None
    if path is None or sha256 is None:
        raise InvalidInput(f"KELPIE_{name} and KELPIE_{name}_SHA256 go together: a binary is used by its hash")
    return Binary(path, sha256)


def minimum_of(config: Config) -> Mapping[Trust, LevelName]:
    """The level each trust needs: kelpie's, unless an operator demands less of code that nobody reviewed."""
    return {**MINIMUM, "untrusted": cast("LevelName", config.sandbox_untrusted)}


def shown(reports: Sequence[LevelReport] | None, minimum: Mapping[Trust, LevelName]) -> dict[str, Any]:
    """For the health route: the levels, and where code of each trust runs; None for `reports` while they are tested."""
    if reports is None:
        testing = [LevelReport(level=name, exists=False, reason="its self-test is running") for name in LEVEL_NAMES]
        return {"isolation": [_level(report) for report in testing], "trust": _trusts([], minimum)}
    return {"isolation": [_level(report) for report in reports], "trust": _trusts(reports, minimum)}


def _level(report: LevelReport) -> dict[str, Any]:
    return {
        "level": report.level,
        "available": report.exists,
        "backend": report.backend,
        "reason": report.reason,
        "gaps": report.gaps,
        "tried": report.tried,
    }


def _trusts(reports: Sequence[LevelReport], minimum: Mapping[Trust, LevelName]) -> dict[str, dict[str, Any]]:
    """By trust: the level it needs, the one it runs at (null: its tools don't run), whether an operator lowered it."""
    there = {report.level for report in reports if report.exists}
    found: dict[str, dict[str, Any]] = {}
    for trust, needs in minimum.items():
        enough = [name for name in LEVEL_NAMES[LEVEL_NAMES.index(needs) :] if name in there]
        lowered = LEVEL_NAMES.index(needs) < LEVEL_NAMES.index(MINIMUM[trust])
        found[trust] = {"needs": needs, "runs_at": enough[0] if enough else None, "lowered": lowered}
    return found

"""One installation: uv, in a process of its own with a clean environment, wheels only.

`--no-build` makes uv run nothing of a package: where there is no wheel, it fails. Its cache lies in the same folder, so
that nothing is left over and everything is counted.
"""

import os
import shutil
import sys
from collections.abc import Sequence

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import child, limits
from kelpie.sandbox.layers import folders
from kelpie.sandbox.layers.source import PackageSource
from umi.dst import Host
from umi.dst.threads import in_thread

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def find_uv() -> str:
    """The path of uv: the packaged one, else the system's. Raises ToolUnavailable."""
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        pass  # not installed, or installed without its program
    found = shutil.which("uv", path=_SYSTEM_PATH)
    if found is None:
        raise ToolUnavailable("packages for tools need uv, which was not found: pip install 'kelpie[packages]'")
    return found


async def install(host: Host, requirements: Sequence[str], source: PackageSource, staging: str, into: str) -> None:
    """The packages in the folder `into`, below `staging`, which is the installation's own and removed by the caller.

    Raises ToolUnavailable with what uv says, LimitExceeded if it takes more files or bytes than a layer may hold.
    """
    command = [
        *(find_uv(), "pip", "install", "--no-config", "--no-build", "--no-progress", "--quiet"),
        *("--python", sys.executable, "--no-python-downloads"),
        *("--target", into, "--cache-dir", os.path.join(staging, "cache")),
        *source.arguments(),
        *("--", *requirements),
    ]
    environment = {"PATH": _SYSTEM_PATH, "HOME": staging, "TMPDIR": staging, "LANG": "C.UTF-8", "UV_SYSTEM_CERTS": "1"}

    async def measure() -> None:
        # The cache and what is unpacked from it are the same files twice at most.
        size = await in_thread(folders.measured, staging)
        folders.check(folders.Size(size.files // 2, size.bytes // 2))

    ended = await child.run(
        host,
        command,
        child.Bounds(
            wall_ms=limits.LAYER_INSTALL_MS_MAX,
            cpu_s=limits.LAYER_INSTALL_MS_MAX // 1000,
            file_bytes=limits.LAYER_BYTES_MAX,
            output_bytes=limits.LAYER_LOG_BYTES_MAX,
        ),
        environment=environment | source.environment(),
        cwd=staging,
        watched=measure,
        every_ms=limits.LAYER_MEASURE_MS,
    )
    if ended.exit is None:
        most_s = limits.LAYER_INSTALL_MS_MAX // 1000
        raise ToolUnavailable(f"installing packages took longer than {most_s} s, and was ended")
    if ended.exit != 0:
        said = " ".join(source.redacted(ended.output.decode("utf-8", "replace")).split())
        what = ", ".join(requirements)
        raise ToolUnavailable(f"the packages {what} can't be installed: {said}")

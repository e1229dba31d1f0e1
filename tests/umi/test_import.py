"""What `import umi` brings along: nothing that a program which only says so has to wait for."""

import subprocess
import sys

import pytest

# Each of these takes a tenth of a second or more, or is no part of the base install.
HEAVY = "numpy httpx2 ssl onnxruntime tokenizers psycopg fastapi starlette uvicorn pydantic mcp typer rich".split()


def imported_by(code):
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_import_umi_imports_the_facade_alone():
    loaded = imported_by("import umi")
    assert [name for name in loaded if name.startswith("umi.")] == []
    assert loaded & {*HEAVY, "msgspec", "apsw", "asyncio"} == set()


@pytest.mark.parametrize("code", ["from umi import Memory", "from umi.sync import Memory", "import umi.serve.client"])
def test_memory_waits_with_what_is_heavy_until_it_is_used(code):
    assert imported_by(code) & ({*HEAVY} - {"ssl"}) == set()  # asyncio imports ssl


def test_the_names_people_import_are_there():
    import umi
    import umi.sync

    assert umi.Memory.__module__ == "umi.memory.memory"
    assert umi.sync.Memory.__module__ == "umi.sync.memory"
    with pytest.raises(AttributeError, match="no attribute 'Momory'"):
        umi.Momory  # noqa: B018 - reading it is the test

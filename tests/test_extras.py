"""Each extra installed alone, in a fresh virtual environment: what it promises to run, runs with it and nothing else.

Slow (about half a minute, and a few hundred megabytes that uv keeps in its cache): leave it out with
`make test ARGS='-m "not slow"'`. uv and not pip: of the same packages it makes an environment in a twentieth of the
time, by linking to its cache what pip would unpack again for every extra.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import venv
import zipfile

import pytest
from uv import find_uv_bin

from tidy.tree import ROOT

pytestmark = pytest.mark.slow

# What must import, module by module, with the extra and nothing else.
ROOMS = {
    "base": "umi.dst umi.storage umi.wire umi.core umi.working umi.filters umi.index umi.archival umi.embed umi.evolve"
    " umi.extract umi.hygiene umi.promote umi.retrieve umi.portable umi.memory umi.sync umi.serve.client"
    " kelpie.errors kelpie.events kelpie.config kelpie.actors kelpie.models kelpie.files kelpie.sandbox"
    " kelpie.trajectories kelpie.tools kelpie.agents",
    "bedrock": "kelpie.models",
    "cli": "kelpie.cli umi.cli",
    "server": "umi.serve umi.mcp kelpie.tools.mcp kelpie.agents.turn kelpie.cli kelpie.api kelpie.server"
    " kelpie.simulate",
    "analyst": "kelpie.analyst",
    "demo": "umi kelpie",
    "files": "kelpie.files",
    "local": "kelpie.models",
    "minilm": "umi.embed",
    "mysql": "kelpie.analyst.sources",
    "packages": "kelpie.sandbox.layers",
    "postgres": "umi.storage",
}
WITH_CLI = ("cli", "server", "demo")
# Half a second and more: nobody who only says `import umi` or `kelpie --help` may wait for these.
HEAVY = {
    "bs4",
    "duckdb",
    "fastapi",
    "httpx2",
    "mammoth",
    "markdownify",
    "mcp",
    "numpy",
    "onnx",
    "onnxruntime",
    "opentelemetry",
    "psycopg",
    "pydantic",
    "pymysql",
    "pypdf",
    "python_calamine",
    "re2",
    "sqlglot",
    "starlette",
    "tokenizers",
    "uvicorn",
    "vl_convert",
    "xllamacpp",
}
IMPORT_ALL = """
    import importlib, pkgutil, sys
    # What runs inside a sandbox, and what runs when it is imported, is no module of ours to import. The client of MCP
    # servers, and structured answers, need the extra that names them.
    LEFT_OUT = ("kelpie.sandbox.inside.", "kelpie.sandbox.microvm.guest.", "kelpie.__main__")
    if "kelpie.tools.mcp" not in sys.argv:
        LEFT_OUT += ("kelpie.tools.mcp.", "kelpie.agents.turn.schemas")
    for room in sys.argv[1:]:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{room}."):
            if not module.name.startswith(LEFT_OUT):
                importlib.import_module(module.name)
"""


# A program of a person's, in two runs. A socket that leads out of this machine's memory is an error, at once.
NO_NETWORK = """
    import asyncio, socket, sys
    import umi

    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    # Of socket itself what remains is what asyncio wakes its own loop with.
    socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = refuse
    socket.create_connection = socket.getaddrinfo = socket.gethostbyname = refuse

    async def first():
        async with umi.Memory("memory.db", scope="ada") as memory:
            cat = await memory.remember("Ada's cat is called Miso.")
            tea = await memory.remember("Ada likes tea.")
            assert (await memory.recall("What is the cat called?"))[0].fact == cat.fact
            assert await memory.forget(tea.fact.id)
            assert await memory.recall("tea") == []

    def again():
        with umi.sync.Memory("memory.db", scope="ada") as memory:
            assert [one.fact.text for one in memory.recall("cat")] == ["Ada's cat is called Miso."]
            assert memory.recall("tea") == []

    asyncio.run(first()) if sys.argv[1] == "first" else again()
    print("done")
"""


def run(*command, cwd):
    """The finished process; it sees neither this repository nor this environment's packages."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    env = {name: value for name, value in os.environ.items() if name not in hidden and not name.startswith("KELPIE_")}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def install(python, *wanted, cwd):
    constraints = str(ROOT / "constraints.txt")
    return run(find_uv_bin(), "pip", "install", "-q", "-c", constraints, "--python", str(python), *wanted, cwd=cwd)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory, needs):
    """This repository as a wheel, built from a copy: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    probe = install(sys.executable, "--dry-run", "--reinstall", "--no-deps", "setuptools", cwd=folder)
    needs("extras", probe.returncode == 0, f"uv can't install: {(probe.stderr.strip().splitlines() or [''])[-1]}")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    built = run(find_uv_bin(), "build", "-q", "--wheel", "--out-dir", str(folder), str(folder), cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module", params=ROOMS)
def installed(request, wheel, tmp_path_factory):
    """(extra, the folder of a virtual environment that holds it and what it asks for)."""
    extra = request.param
    folder = tmp_path_factory.mktemp(extra)
    venv.create(folder, with_pip=False, symlinks=True)
    wanted = f"kelpie{'' if extra == 'base' else f'[{extra}]'} @ {wheel.as_uri()}"
    done = install(folder / "bin" / "python", wanted, cwd=folder)
    assert done.returncode == 0, done.stderr
    yield extra, folder
    shutil.rmtree(folder)


def test_an_extra_brings_all_that_its_rooms_import(installed):
    extra, folder = installed
    python = str(folder / "bin" / "python")
    ran = run(python, "-c", textwrap.dedent(IMPORT_ALL), *ROOMS[extra].split(), cwd=folder)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("installed", ["base", "minilm"], indirect=True)
def test_a_memory_needs_no_network_and_remembers_after_a_restart(installed):
    _, folder = installed
    python = str(folder / "bin" / "python")
    for turn in ("first", "again"):
        ran = run(python, "-c", textwrap.dedent(NO_NETWORK), turn, cwd=folder)
        assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


def test_an_extra_starts_without_what_is_heavy(installed):
    extra, folder = installed
    python = str(folder / "bin" / "python")
    what = [str(folder / "bin" / "kelpie"), "--help"] if extra in WITH_CLI else ["-c", "import umi, kelpie"]
    ran = run(python, "-X", "importtime", *what, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    imported = {name.split(".")[0] for name in re.findall(r"^import time:.*\| +(\S+)$", ran.stderr, re.MULTILINE)}
    assert imported & {"umi", "kelpie"}
    assert imported & HEAVY == set()


@pytest.mark.parametrize("command", ["kelpie", "umi"])
def test_the_command_shows_its_help_or_names_the_extra_it_needs(installed, command):
    extra, folder = installed
    ran = run(str(folder / "bin" / command), "--help", cwd=folder)
    if extra in WITH_CLI:
        assert ran.returncode == 0
        assert "serve" in ran.stdout
    else:
        assert ran.returncode == 1
        assert "pip install 'kelpie[cli]'" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_every_extra_is_tested_here(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(archive.read(n).decode() for n in archive.namelist() if n.endswith("/METADATA"))
    extras = set(re.findall(r"^Provides-Extra: (\S+)$", metadata, re.MULTILINE))
    assert extras - {"dev"} == set(ROOMS) - {"base"}

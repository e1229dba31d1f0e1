"""Packages of tools, installed by the real uv from a folder of wheels."""

import asyncio
import os
import stat
import zipfile

import pytest

from kelpie.errors import InvalidInput, LimitExceeded, ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.layers import Layers, installing
from kelpie.sandbox.layers import layers as layers_module
from kelpie.tools import limits as tool_limits


@pytest.fixture
def installs(monkeypatch):
    """The requirements of every installation that ran: the real ones, counted."""
    seen = []

    async def counted(host, requirements, *more):
        seen.append(requirements)
        await installing.install(host, requirements, *more)

    monkeypatch.setattr(layers_module, "install", counted)
    return seen


def text_of(folder, name):
    with open(os.path.join(folder, name)) as file:
        return file.read()


def are_there(*paths):
    return [os.path.exists(path) for path in paths]


def links_in(folder):
    return [name for name in (os.listdir(folder) if folder else []) if os.path.islink(os.path.join(folder, name))]


def left_over(layers):
    return [name for name in os.listdir(layers._folder) if name.startswith(".")]


async def test_a_hundred_calls_at_once_install_once(layers, wheels, installs):
    wheels.add("alpha", requires=["beta>=2"])
    wheels.add("beta", "1.0")
    wheels.add("beta", "2.5")
    found = await asyncio.gather(*(layers.folder_for(["Alpha", "alpha"]) for _ in range(100)))
    assert len(set(found)) == 1
    assert installs == [("alpha",)]
    assert {"alpha.py", "beta.py"} <= set(os.listdir(found[0]))
    assert "2.5" in text_of(found[0], "beta.py")
    assert left_over(layers) == []


async def test_a_later_server_finds_what_is_there(layers, wheels, installs, host, tmp_path):
    wheels.add("alpha")
    first = await layers.folder_for(["alpha"])
    again = Layers(host, str(tmp_path / "layers"), str(wheels.folder))
    assert await again.folder_for(["alpha"]) == first
    assert len(installs) == 1


async def test_other_requirements_another_source_or_another_python_make_another_layer(
    layers, wheels, installs, host, tmp_path, monkeypatch
):
    wheels.add("alpha", "1.0")
    wheels.add("alpha", "2.0")
    found = [await layers.folder_for(["alpha"]), await layers.folder_for(["alpha<2"])]
    (tmp_path / "elsewhere").symlink_to(wheels.folder)
    elsewhere = Layers(host, str(tmp_path / "layers"), str(tmp_path / "elsewhere"))
    found.append(await elsewhere.folder_for(["alpha"]))
    monkeypatch.setattr(layers_module, "_PYTHON", ("cpython-399",))
    found.append(await layers.folder_for(["alpha"]))
    assert len(set(found)) == len(installs) == 4


async def test_nobody_may_write_and_everybody_may_read(layers, wheels):
    wheels.add("alpha", files={"alpha/__init__.py": "", "alpha/deep/data.txt": "x"})
    folder = await layers.folder_for(["alpha"])
    modes = [os.stat(where).st_mode for where, _, _ in os.walk(folder)]
    modes += [os.stat(os.path.join(where, name)).st_mode for where, _, names in os.walk(folder) for name in names]
    assert len(modes) > 5
    assert all(not mode & 0o222 and mode & stat.S_IROTH for mode in modes)


async def test_nothing_is_built(layers, wheels, tmp_path):
    """A source distribution runs its own code to be built: it is not, here or behind a wheel."""
    ran = tmp_path / "ran"
    parts = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
        "own.py": f"open({str(ran)!r}, 'w')\n",
    }
    with zipfile.ZipFile(wheels.folder / "gamma-1.0.zip", "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"gamma-1.0/{name}", content)
    wheels.add("delta", requires=[f"gamma @ file://{wheels.folder}/gamma-1.0.zip"])
    wheels.add("epsilon", requires=["gamma"])
    for name in ("gamma", "delta", "epsilon"):
        with pytest.raises(ToolUnavailable, match="can't be installed"):
            await layers.folder_for([name])
    assert not ran.exists()
    assert left_over(layers) == []


async def test_what_does_not_exist_is_said_and_believed_for_a_while(layers, installs, clock, wheels):
    for _ in range(3):
        with pytest.raises(ToolUnavailable, match="nowhere"):
            await layers.folder_for(["nowhere"])
    assert len(installs) == 1
    wheels.add("nowhere")
    clock.advance(limits.LAYER_FAILED_AGAIN_MS)
    assert os.listdir(await layers.folder_for(["nowhere"]))
    assert left_over(layers) == []


ESCAPES = ["../escaped.py", "/tmp/kelpie-escaped.py", "alpha/../../escaped.py"]


@pytest.mark.parametrize("path", [*ESCAPES, *(f"alpha-1.0.data/{where}/{ESCAPES[0]}" for where in ("data", "scripts"))])
async def test_a_wheel_can_not_write_beside_itself(layers, wheels, tmp_path, path):
    wheels.add("alpha", files={path: "x"})
    try:
        folder = await layers.folder_for(["alpha"])
    except ToolUnavailable:
        folder = layers._folder
    outside = [
        os.path.join(where, name) for where, _, names in os.walk(tmp_path) for name in names if "escaped" in name
    ]
    assert all(one.startswith(f"{folder}/") for one in outside)
    assert are_there("/tmp/kelpie-escaped.py") == [False]


async def test_a_link_in_a_wheel_leads_nowhere(layers, wheels, tmp_path):
    """Made of the link first, and then of a file that lies behind it."""
    (tmp_path / "outside").mkdir()
    path = wheels.add("alpha")
    with zipfile.ZipFile(path, "a") as wheel:
        link = zipfile.ZipInfo("alpha_data")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        wheel.writestr(link, str(tmp_path / "outside"))
        wheel.writestr("alpha_data/escaped.py", "x")
    try:
        folder = await layers.folder_for(["alpha"])
    except ToolUnavailable:
        folder = ""
    assert os.listdir(tmp_path / "outside") == []
    assert links_in(folder) == []


async def test_too_much_is_refused_and_leaves_nothing(layers, wheels, monkeypatch):
    monkeypatch.setattr(limits, "LAYER_BYTES_MAX", 100_000)
    wheels.add("alpha", files={f"alpha/{number}.txt": "x" * 20_000 for number in range(10)})
    with pytest.raises(LimitExceeded, match="bytes"):
        await layers.folder_for(["alpha"])
    monkeypatch.setattr(limits, "LAYER_FILES_MAX", 3)
    wheels.add("beta")
    with pytest.raises(LimitExceeded, match="files"):
        await layers.folder_for(["beta"])
    assert os.listdir(layers._folder) == []


async def test_an_installation_that_hangs_is_ended(layers, monkeypatch, tmp_path):
    hangs = tmp_path / "uv"
    hangs.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nsleep 60 &\nwait\n")
    hangs.chmod(0o755)
    monkeypatch.setattr(installing, "find_uv", lambda: str(hangs))
    monkeypatch.setattr(limits, "LAYER_INSTALL_MS_MAX", 1_000)
    with pytest.raises(ToolUnavailable, match="longer than 1 s"):
        await layers.folder_for(["alpha"])
    assert are_there(f"/proc/{text_of(tmp_path, 'pid').strip()}") == [False]
    assert os.listdir(layers._folder) == []


async def test_an_installation_has_nothing_of_the_servers_environment(layers, monkeypatch, tmp_path):
    monkeypatch.setenv("KELPIE_KEYS", "secret")
    says = tmp_path / "uv"
    says.write_text("#!/bin/sh\nenv; exit 1\n")
    says.chmod(0o755)
    monkeypatch.setattr(installing, "find_uv", lambda: str(says))
    with pytest.raises(ToolUnavailable, match="UV_SYSTEM_CERTS") as failure:
        await layers.folder_for(["alpha"])
    assert "secret" not in str(failure.value)


async def test_the_first_caller_may_go_away(layers, wheels, installs):
    wheels.add("alpha")
    first = asyncio.ensure_future(layers.folder_for(["alpha"]))
    await asyncio.sleep(0)
    assert layers._installing
    second = asyncio.ensure_future(layers.folder_for(["alpha"]))
    await asyncio.sleep(0)
    first.cancel()
    assert os.listdir(await second)
    assert first.cancelled()
    assert len(installs) == 1


async def test_a_crash_in_mid_installation_leaves_nothing_that_counts(layers, wheels, host, tmp_path):
    """A killed server leaves its folder as it is: the next one takes it away before it installs anything."""
    wheels.add("alpha")
    half = tmp_path / "layers" / ".staging-half" / "layer" / "packages"
    half.mkdir(parents=True)
    (half / "alpha.py").write_text("half")
    half.chmod(0o555)
    folder = await layers.folder_for(["alpha"])
    assert left_over(layers) == []
    assert text_of(folder, "alpha.py") == "VERSION = '1.0'\n"


async def test_a_layer_that_lost_something_is_made_anew(layers, wheels, installs, host, tmp_path):
    wheels.add("alpha")
    folder = await layers.folder_for(["alpha"])
    os.chmod(os.path.join(folder, "alpha.py"), 0o644)
    os.truncate(os.path.join(folder, "alpha.py"), 0)  # as after a loss of power: the name without the contents
    again = Layers(host, str(tmp_path / "layers"), str(wheels.folder))
    assert text_of(await again.folder_for(["alpha"]), "alpha.py")
    assert len(installs) == 2


async def test_what_was_not_used_longest_makes_room(layers, wheels, clock, monkeypatch):
    monkeypatch.setattr(limits, "LAYERS_MAX", 2)
    for name in ("alpha", "beta", "gamma"):
        wheels.add(name)
    alpha = await layers.folder_for(["alpha"])
    clock.advance(1_000)
    beta = await layers.folder_for(["beta"])
    clock.advance(limits.LAYER_KEPT_MS)
    assert await layers.folder_for(["alpha"]) == alpha  # used again
    gamma = await layers.folder_for(["gamma"])
    assert are_there(alpha, beta, gamma) == [True, False, True]
    assert await layers.folder_for(["alpha"]) == alpha


async def test_what_may_be_in_use_does_not_make_room(layers, wheels, clock, monkeypatch):
    monkeypatch.setattr(limits, "LAYERS_MAX", 1)
    wheels.add("alpha")
    wheels.add("beta")
    alpha = await layers.folder_for(["alpha"])
    clock.advance(limits.LAYER_KEPT_MS - 1)
    with pytest.raises(ToolUnavailable, match="no room"):
        await layers.folder_for(["beta"])
    assert are_there(alpha) == [True]


async def test_bytes_make_room_too(layers, wheels, clock, monkeypatch):
    monkeypatch.setattr(limits, "LAYERS_BYTES_MAX", limits.LAYER_BYTES_MAX + 30_000)
    for name in ("alpha", "beta", "gamma"):
        wheels.add(name, files={f"{name}.py": "#" * 20_000})
    found = []
    for name in ("alpha", "beta", "gamma"):
        found.append(await layers.folder_for([name]))
        clock.advance(limits.LAYER_KEPT_MS)
    assert are_there(*found) == [False, True, True]


async def test_without_requirements_there_is_no_layer_and_no_setting_needed(host, tmp_path):
    layers = Layers(host, str(tmp_path / "layers"))
    assert await layers.folder_for([]) == ""
    with pytest.raises(ToolUnavailable, match="KELPIE_PACKAGES"):
        await layers.folder_for(["alpha"])


@pytest.mark.parametrize("language", ["javascript", "typescript", "shell"])
async def test_other_languages_have_no_packages(layers, language):
    with pytest.raises(ToolUnavailable, match=language):
        await layers.folder_for(["alpha"], language)


async def test_without_uv_it_says_what_to_install(layers, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uv", None)
    monkeypatch.setattr(installing, "_SYSTEM_PATH", "/nowhere")
    with pytest.raises(ToolUnavailable, match=r"kelpie\[packages\]"):
        await layers.folder_for(["alpha"])


def test_an_index_with_a_password_is_in_no_command_and_no_repr():
    from kelpie.sandbox.layers.source import read_source

    source = read_source("https://anna:sesame@packages.example/simple")
    assert "sesame" not in repr(source)
    assert source.arguments() == []
    assert source.environment() == {"UV_DEFAULT_INDEX": "https://anna:sesame@packages.example/simple"}
    assert source.redacted("at https://anna:sesame@packages.example/") == "at https://anna:****@packages.example/"
    assert read_source("public").environment() == {}


@pytest.mark.parametrize("setting", ["relative/folder", "/nowhere/at/all", "ftp://x", "https://", "yes", "--no-index"])
def test_a_setting_that_is_none_is_refused_without_being_repeated(setting, host, tmp_path):
    with pytest.raises(InvalidInput, match="KELPIE_PACKAGES is") as refusal:
        Layers(host, str(tmp_path), setting)
    assert setting not in str(refusal.value)


def test_a_layer_outlives_whatever_may_still_read_it():
    """A call at its longest, and a warm process that was started with the layer and rests."""
    assert limits.LAYER_KEPT_MS > tool_limits.TOOL_TIMEOUT_MS_MAX + limits.SANDBOX_WAIT_MS_MAX
    assert limits.LAYER_KEPT_MS > 2 * limits.SANDBOX_TEMPLATE_IDLE_MS_MAX

"""A folder of wheels made on the fly: no index, no network."""

import zipfile

import pytest

from kelpie.sandbox.layers import Layers


class Wheels:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def add(self, name, version="1.0", files=None, requires=()):
        """A wheel with `files` by path, or one module that knows its version."""
        files = files or {f"{name}.py": f"VERSION = '{version}'\n"}
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
        files |= {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
        path = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for inside, content in {**files, f"{info}/RECORD": record}.items():
                wheel.writestr(inside, content)
        return path


@pytest.fixture
def wheels(tmp_path):
    return Wheels(tmp_path / "wheels")


@pytest.fixture
def layers(host, tmp_path, wheels):
    return Layers(host, str(tmp_path / "layers"), str(wheels.folder))

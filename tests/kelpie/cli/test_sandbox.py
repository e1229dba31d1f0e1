"""`kelpie sandbox build-image`, as a person types it."""

from kelpie.cli import app as commands
from kelpie.errors import EnvironmentFault
from kelpie.sandbox import microvm


def typed(monkeypatch, capsys, *arguments):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("sys.argv", ["kelpie", "sandbox", "build-image", *arguments])
    code = commands.run()
    return code, capsys.readouterr().out


def test_without_apt_it_says_what_is_missing(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, shown = typed(monkeypatch, capsys, "--data", str(tmp_path / "data"))
    assert code == 1
    assert "needs Debian's apt-get, which is not here" in shown


def test_it_builds_where_the_server_looks(monkeypatch, capsys, tmp_path):
    asked = []

    async def build(folder, _host, _progress):
        asked.append(folder)
        raise EnvironmentFault("not in this test")

    monkeypatch.setattr(microvm, "build_image", build)
    code, _ = typed(monkeypatch, capsys, "--data", str(tmp_path))
    assert (code, asked) == (1, [str(tmp_path / "microvm" / "image")])

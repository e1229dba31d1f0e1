"""A server that is not root: the same promises, in a user namespace of its own user."""

import json
import os
import subprocess
import sys
import sysconfig

UID = 61_500  # nobody on this machine
PROGRAM = """
import asyncio, json, msgspec
from kelpie.sandbox import ProcessLevel, SandboxCall
from umi.dst import Host

BODY = '''
import os
def tool():
    count = 0
    try:
        while count < 500:
            if os.fork() == 0:
                import signal
                signal.pause()
            count += 1
    except BlockingIOError:
        pass
    return [count, os.getuid(), os.path.exists("/etc/passwd"), open("/proc/self/uid_map").read().split()]
'''

async def main():
    sandbox = ProcessLevel(Host())
    report = await sandbox.report()
    result = await sandbox.exec(SandboxCall(BODY, "tool")) if report.exists else None
    return {"report": msgspec.to_builtins(report), "result": msgspec.to_builtins(result)}

print(json.dumps(asyncio.run(main())))
"""


def reachable_python():
    """An interpreter of our version that any user may start; one below a private home can't be reached."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (os.path.realpath(sys.executable), f"/usr/local/bin/{name}", f"/usr/bin/{name}"):
        ran = subprocess.run(["/bin/sh", "-c", f"{path} -c ''"], user=UID, group=UID, extra_groups=[], check=False)
        if ran.returncode == 0:
            return path
    return None


def test_a_server_that_is_not_root_isolates_with_a_user_namespace(needs, tested):
    needs("another-user", os.geteuid() == 0, "not root; the other tests of this folder run unprivileged already")
    python = reachable_python()
    needs("another-user", python is not None, "no Python of this version that another user may start")
    paths = os.pathsep.join([os.path.abspath("src"), sysconfig.get_paths()["purelib"]])
    environment = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [python, "-c", PROGRAM],
        user=UID,
        group=UID,
        extra_groups=[],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        needs("another-user", False, f"another user can't read this checkout: {ran.stderr.splitlines()[-1]}")
    said = json.loads(ran.stdout)
    needs("sandbox", said["report"]["exists"], said["report"]["reason"])
    forked, uid, sees_passwd, uid_map = said["result"]["value"]
    assert "user namespace of its own" in said["report"]["holds"][0]
    assert 0 < forked < 16
    assert not sees_passwd
    assert uid_map == [str(uid), str(UID), "1"]

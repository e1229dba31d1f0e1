"""Where calls' cgroups are found: v2, v1 or none, on machines made of files; then on this one."""

import os

from kelpie.sandbox import limits
from kelpie.sandbox.process import cgroups

PID = 4242


class Machine:
    """A folder like /proc/self, and the hierarchies that it names."""

    def __init__(self, folder):
        self.folder = folder
        self.proc = folder / "proc"
        self.proc.mkdir()
        self.mounts, self.memberships = [], []

    def mount(self, name, kind, options, root="/"):
        path = self.folder / name
        path.mkdir(exist_ok=True)
        self.mounts.append(f"30 23 0:26 {root} {path} rw,relatime shared:4 - {kind} {kind} rw,{options}")
        return path

    def belongs(self, line):
        self.memberships.append(line)

    def find(self):
        (self.proc / "mountinfo").write_text("\n".join(["22 1 0:1 / / rw - ext4 /dev/x rw", *self.mounts]) + "\n")
        (self.proc / "cgroup").write_text("\n".join(self.memberships) + "\n")
        return cgroups.find(str(self.proc), PID)


def unified(path, controllers="cpu io memory pids", subtree="", procs=(PID,)):
    path.mkdir(parents=True, exist_ok=True)
    (path / "cgroup.controllers").write_text(controllers)
    (path / "cgroup.subtree_control").write_text(subtree)
    (path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in procs))


def made_like_the_kernel(monkeypatch, files):
    """A new folder of a hierarchy has its files at once, and goes with them."""
    mkdir, rmdir = os.mkdir, os.rmdir
    made = []

    def create(path, mode=0o777):
        mkdir(path, mode)
        made.append(path)
        for name in files:
            with open(f"{path}/{name}", "w"):
                pass

    def remove(path):
        for name in os.listdir(path):
            os.remove(f"{path}/{name}")
        rmdir(path)

    monkeypatch.setattr(os, "mkdir", create)
    monkeypatch.setattr(os, "rmdir", remove)
    return made


V2 = ("cgroup.procs", "memory.max", "memory.swap.max", "pids.max", "cpu.weight", "memory.events")
V1 = (
    "cgroup.procs",
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "pids.max",
    "cpu.shares",
    "memory.oom_control",
)


def content(path):
    with open(path) as file:
        return file.read()


def test_v2_that_is_delegated_is_used(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    unified(machine.mount("unified", "cgroup2", "nsdelegate") / "svc", subtree="memory pids cpu")
    machine.belongs("0::/svc")
    made = made_like_the_kernel(monkeypatch, V2)
    found = machine.find()
    assert (found.version, found.reason) == (2, "")
    group = found.make()
    assert made[-1].startswith(str(tmp_path / "unified" / "svc" / f"kelpie-{os.getpid()}-"))
    group.renew(100 << 20, 7)
    assert content(f"{made[-1]}/memory.max") == str(100 << 20)
    assert content(f"{made[-1]}/pids.max").startswith("7")
    assert content(f"{made[-1]}/memory.swap.max") == "0"
    assert not group.killed_by_memory()
    with open(f"{made[-1]}/memory.events", "w") as events:
        events.write("low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n")
    assert group.killed_by_memory()
    group.renew(100 << 20, 7)
    assert not group.killed_by_memory()
    found.discard(group)
    assert not os.path.exists(made[-1])


def test_a_server_alone_in_a_delegated_group_moves_into_a_leaf(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    own = machine.mount("unified", "cgroup2", "nsdelegate") / "svc"
    unified(own)
    machine.belongs("0::/svc")
    made_like_the_kernel(monkeypatch, V2)
    write, refused = cgroups._write, []

    def as_the_kernel(path, text, *, needed=True):
        if path.endswith("subtree_control") and not (own / "kelpie-server").exists():
            refused.append(text)
            raise OSError(16, "Device or resource busy")
        write(path, text, needed=needed)

    monkeypatch.setattr(cgroups, "_write", as_the_kernel)
    assert machine.find().version == 2
    assert refused == ["+memory +pids +cpu"]
    assert content(own / "kelpie-server" / "cgroup.procs") == str(PID)


def test_others_in_the_group_are_not_moved(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    own = machine.mount("unified", "cgroup2", "nsdelegate") / "svc"
    unified(own, procs=(PID, 1))
    machine.belongs("0::/svc")

    def busy(path, text, *, needed=True):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(cgroups, "_write", busy)
    found = machine.find()
    assert (found.version, found.make()) == (0, None)
    assert found.reason == "v2: Device or resource busy; v1 has no memory and pids here"
    assert content(own / "cgroup.procs").split() == [str(PID), "1"]


def test_v1_is_used_where_v2_counts_nothing(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    unified(machine.mount("unified", "cgroup2", ""), controllers="hugetlb")
    for name in ("memory", "pids", "cpu,cpuacct"):
        (machine.mount(name, "cgroup", name) / "svc").mkdir()
    for line in ("4:memory:/svc", "3:pids:/svc", "2:cpu,cpuacct:/svc", "0::/"):
        machine.belongs(line)
    made = made_like_the_kernel(monkeypatch, V1)
    found = machine.find()
    assert found.version == 1
    group = found.make()
    assert sorted(os.path.relpath(os.path.dirname(path), tmp_path) for path in made[-3:]) == [
        "cpu,cpuacct/svc",
        "memory/svc",
        "pids/svc",
    ]
    group.renew(64 << 20, 5)
    with open(f"{group.folders['memory']}/memory.oom_control", "w") as control:
        control.write("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.killed_by_memory()
    with open(f"{group.folders['memory']}/memory.max_usage_in_bytes", "w") as usage:
        usage.write("12345\n")
    assert group.peak_bytes() == 12345
    found.discard(group)
    assert not any(os.path.exists(path) for path in made)


def test_a_machine_without_says_why(tmp_path):
    found = Machine(tmp_path).find()
    assert (found.version, found.make()) == (0, None)
    assert found.reason == "v2 has no memory and pids here; v1 has no memory and pids here"


def test_a_group_that_is_still_in_use_is_removed_later(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    unified(machine.mount("unified", "cgroup2", ""), subtree="memory pids cpu")
    machine.belongs("0::/")
    made_like_the_kernel(monkeypatch, V2)
    found = machine.find()
    group = found.make()
    remove = os.rmdir

    def busy(path):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(os, "rmdir", busy)
    found.discard(group)
    assert os.path.exists(group.folders["memory"])
    monkeypatch.setattr(os, "rmdir", remove)
    found.sweep()
    assert not os.path.exists(group.folders["memory"])


def test_groups_of_a_killed_server_are_removed_at_the_next_start(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    top = machine.mount("unified", "cgroup2", "")
    unified(top, subtree="memory pids cpu")
    machine.belongs("0::/")
    for name in ("kelpie-999999999-3", f"kelpie-{os.getpid()}-3", "kelpie-server", "other"):
        (top / name).mkdir()
    made_like_the_kernel(monkeypatch, V2)
    assert machine.find().version == 2
    left = {path.name for path in top.iterdir() if path.is_dir()}
    assert left == {f"kelpie-{os.getpid()}-3", "kelpie-server", "other"}


def test_this_machines_cgroups_are_made_and_leave_nothing(needs):
    found = cgroups.find()
    needs("cgroups", found.version, found.reason)
    group = found.make()
    folders = set(group.folders.values())
    group.renew(limits.SANDBOX_MEMORY_BYTES_DEFAULT * 2, 3)  # up
    group.renew(limits.SANDBOX_MEMORY_BYTES_DEFAULT // 2, 3)  # and down again
    assert all(os.path.isdir(folder) for folder in folders)
    assert not group.killed_by_memory()
    found.discard(group)
    assert not any(os.path.exists(folder) for folder in folders)

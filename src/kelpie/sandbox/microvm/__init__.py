"""The level "microvm": a machine of its own, with its own kernel, for every call.

level.py     MicroVmLevel: calls in, results out; which backend
places.py    who may have a machine now, who waits, who is told to come again
machines.py  templates, their copies, and the spare one
session.py   one call in one machine
selftest.py  a backend exists only after a guest has booted and its probes found no way out
monitor.py   what a virtual machine monitor does for us, whichever it is
frames.py    how server and guest talk
vmm.py       a monitor as a process
jail.py      the jail around a monitor that has none of its own
binary.py    a binary that an operator names by its hash
qemu         the monitor QEMU, with KVM or without
firecracker  the monitor Firecracker
image        the guest image: built from packages when asked, found at start
guest        what runs in the guest beside the runner
"""

from kelpie.sandbox.microvm.binary import Binary, BinaryRefused
from kelpie.sandbox.microvm.image import BUILD_COMMAND, build_image
from kelpie.sandbox.microvm.level import BACKENDS, MicroVmLevel, image_folder, microvm_folder

__all__ = [
    "BACKENDS",
    "BUILD_COMMAND",
    "Binary",
    "BinaryRefused",
    "MicroVmLevel",
    "build_image",
    "image_folder",
    "microvm_folder",
]

"""QEMU's machine "microvm": with the processor's help (KVM), or emulating it (TCG).

driver.py   Qemu: boots a template once, restores it for every call
command.py  the command line
qmp.py      the monitor's own protocol
"""

from kelpie.sandbox.microvm.qemu.driver import Qemu

__all__ = ["Qemu"]

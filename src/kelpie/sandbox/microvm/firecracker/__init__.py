"""Firecracker, by its documented API and in its own jailer. An operator names both binaries with their hashes; none is
ever downloaded.

driver.py  Firecracker: boots a template once, restores its snapshot for every call
vmm.py     one monitor in its jail: folder, start, metrics, end
api.py     the API on its unix socket
"""

from kelpie.sandbox.microvm.firecracker.driver import Firecracker

__all__ = ["Firecracker"]

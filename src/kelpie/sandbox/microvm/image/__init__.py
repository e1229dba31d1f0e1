"""The guest image: a kernel and a root file system from Debian packages, the same for every virtual machine monitor.

build.py     build_image and find_image: packages in, a folder named by their content out
packages.py  which packages, asked of apt and fetched by it; needs no root
kernel.py    the kernel's ELF out of the file that Debian ships
cpio.py      the archive format that the kernel unpacks
overlay.py   what is ours in the guest: its first program, the agent, the runner; a layer of packages
"""

from kelpie.sandbox.microvm.image.build import BUILD_COMMAND, Image, build_image, find_image
from kelpie.sandbox.microvm.image.overlay import overlay

__all__ = ["BUILD_COMMAND", "Image", "build_image", "find_image", "overlay"]

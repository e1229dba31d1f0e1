"""Packages for tools: what a tool requires is installed once, by content hash, and bound into its calls read-only.

requirements.py  a list of requirements in one form; nothing but names, extras and versions
source.py        PackageSource: where packages come from, as the operator says
installing.py    one installation: wheels only, by uv, in a process of its own with bounds
folders.py       what lies in a layer: measured, sealed, removed
layers.py        Layers: one installation for any number of calls, and an end to how much is kept
"""

from kelpie.sandbox.layers.layers import Layers
from kelpie.sandbox.layers.requirements import read_requirements
from kelpie.sandbox.layers.source import PackageSource

__all__ = ["Layers", "PackageSource", "read_requirements"]

"""Identities: whom a client says that its agents and blocks are for. Labels that it may look things up by, no more.

They are not people (kelpie.people): a person is whom a key may speak for and what access rules and conventions stand
on, and only who runs the server makes one. An identity is written by any client of its tenant and confers nothing.

records   identities with their properties, and what they are attached to; every change is a plan
schema    the tables; limits the bounds
"""

from kelpie.identities.records import Identity, Property

__all__ = ["Identity", "Property"]

"""What a virtual machine monitor does for us, whichever it is."""

from typing import Any, Protocol

from kelpie.sandbox.microvm.frames import Frames
from kelpie.sandbox.microvm.image import Image


class Machine(Protocol):
    """A guest whose agent waits for its call: stopped until `resume`, and good for one call."""

    @property
    def frames(self) -> Frames:
        """To the agent, once `resume` has returned."""
        ...

    @property
    def runs(self) -> bool:
        """Whether its monitor is there."""
        ...

    async def resume(self) -> None:
        """Raises GuestLost."""
        ...

    async def end(self) -> None:
        """Nothing of it is left afterwards. May be called at any time."""
        ...


class Template(Protocol):
    """A machine that has booted, from which copies are made."""

    def close(self) -> None: ...


class Monitor(Protocol):
    """Boots templates and copies them. `program` is the path of its executable."""

    backend: str
    program: str

    async def boot(self, image: Image, setup: dict[str, Any], layer: str, uid: int) -> Any:
        """A Template of `image`, with the packages in the folder `layer` ("" for none), prepared by `setup`.

        uid  the reserved user that the monitor becomes where the server is root
        Raises EnvironmentFault for a damaged image, LimitExceeded for a layer too large, GuestLost with what was said
        last if the guest did not come up in time, ToolUnavailable if the monitor can't be started.
        """
        ...

    async def restore(self, template: Any, uid: int) -> Machine:
        """A copy, stopped where the agent waits. Takes what it needs of the template before it awaits anything.

        Raises GuestLost with what was said last, ToolUnavailable if the monitor can't be started.
        """
        ...

    async def warm(self, machine: Any) -> None:
        """Do with a restored machine, while nobody waits for it, what makes its call quicker. It is stopped afterwards
        as before. Raises GuestLost: the machine is of no more use.
        """
        ...

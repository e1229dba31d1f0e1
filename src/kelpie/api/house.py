"""What the routes stand on, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.requests import Request

from kelpie.agents.inbox import Inbox
from kelpie.agents.scene import Workshop
from kelpie.analyst.service import Analyst
from kelpie.api.auth import Keys
from kelpie.models.model import ModelCard
from umi.storage import View


async def _no_levels() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class House:
    """Everything an endpoint may use. Built once, by kelpie.server.

    levels         the isolation custom tools run at on this machine, as the health route reports it
    metrics        the metrics as text, and their media type
    redact         a text without what looks like a secret
    analyst        the analyst's open sources; None where the extra is not installed
    analyst_model  the handle that answers questions unless one names another
    strict_letta   agents do what Letta's do and nothing else: what is ours on the wire is not read or shown
    """

    workshop: Workshop
    inbox: Inbox
    keys: Keys
    version: str
    levels: Callable[[], Awaitable[dict[str, Any]]] = _no_levels
    metrics: Callable[[], tuple[bytes, str]] | None = None
    redact: Callable[[str], str] = str
    analyst: Analyst | None = None
    analyst_model: str | None = None
    strict_letta: bool = False


class Caller(NamedTuple):
    """One request's view of the house: whose data it may see, and how to read them."""

    house: House
    tenant: str
    view: View

    @property
    def workshop(self) -> Workshop:
        return self.house.workshop

    def card_of(self, handle: str) -> ModelCard:
        """Raises ModelError for a handle that no provider serves."""
        return self.house.workshop.models.resolve(handle)[0]

    def now_ms(self) -> int:
        return self.house.workshop.host.clock.now_ms()


def caller(request: Request) -> Caller:
    house: House = request.app.state.house
    return Caller(house, request.scope["kelpie.tenant"], View(house.workshop.database))


def is_sdk_1(request: Request) -> bool:
    """Whether a client of generation 1 is asking: lists then leave relationships out unless asked for, and some
    changes answer null. Generations before 1 expect whole agents."""
    version = request.headers.get("x-stainless-package-version")
    if version is not None:
        return version.partition(".")[0] not in ("0", "")
    return request.headers.get("user-agent", "").lower().startswith("letta-client/1.")

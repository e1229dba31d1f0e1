"""The analyst's planner as a model that costs nothing until somebody asks it: its grammar is read at its first call."""

from kelpie.models.model import Model
from umi.dst import Host
from umi.wire.types import OnDelta, Reply, Request


class Planner:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._model: Model | None = None

    async def reply(self, request: Request, on_delta: OnDelta | None = None) -> Reply:
        if self._model is None:
            from kelpie.analyst.planner.model import PlannerModel

            self._model = PlannerModel(self._host)
        return await self._model.reply(request, on_delta)

"""Settings of the sandbox, and the variables all custom tools of a tenant are handed."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import pattern
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import sandboxes as wire
from kelpie.errors import Conflict, GuardFailed, NotFound, NotServed
from kelpie.tools import surroundings
from kelpie.tools.surroundings import Config, Variable
from umi.storage import Changes

router = APIRouter(prefix="/v1/sandbox-config", tags=["sandbox config"])
ConfigId = Annotated[str, Path(pattern=pattern("sandbox"))]
VariableId = Annotated[str, Path(pattern=pattern("sandbox-env"))]


class ConfigsQuery(PageQuery):
    sandbox_type: wire.SandboxType | None = None


async def _made(who: Caller, settings: dict[str, Any]) -> Config:
    """Raises Conflict if the tenant has one."""
    made, changes = surroundings.plan_config(who.workshop.host, who.tenant, settings)
    try:
        await who.workshop.database.commit(changes)
    except Conflict:
        raise Conflict("there is a sandbox config of the type 'local' already: change that one") from None
    return made


async def _there(who: Caller, changes: Changes, what: str) -> None:
    try:
        await who.workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound(f"the {what} is gone") from None


@router.post("")
async def create_config(request: Request, body: wire.GivenConfig) -> Response:
    """The tenant's settings of its sandbox. 409 if it has them; 501 for those of e2b and modal."""
    return answer(wire.config(await _made(caller(request), body.config.settings())))


@router.post("/local")
async def create_local_config(request: Request, body: wire.LocalConfig) -> Response:
    """The same, without what is around it."""
    return answer(wire.config(await _made(caller(request), body.settings())))


@router.post("/local/default")
async def default_local_config(request: Request) -> Response:
    """The tenant's settings, made with defaults where there are none."""
    who = caller(request)
    try:
        return answer(wire.config(await _made(who, wire.LocalConfig().settings())))
    except Conflict:
        return answer(wire.config((await surroundings.configs(who.view, who.tenant))[0]))


@router.post("/local/recreate-venv")
async def recreate_venv() -> Response:
    """Refused: no tool runs in a virtual environment here."""
    raise NotServed("there is no virtual environment to make anew: a tool's packages are a read-only layer of its own")


@router.post("/e2b/default")
async def default_e2b_config() -> Response:
    """Refused: tools run on this machine."""
    raise NotServed(wire.NOT_HERE)


@router.get("")
async def list_configs(request: Request, query: Annotated[ConfigsQuery, Query()]) -> Response:
    """The tenant's settings, if it has them."""
    who, window = caller(request), Window(query)
    found = await surroundings.configs(who.view, who.tenant) if query.sandbox_type in (None, "local") else []
    return answer([wire.config(one) for one in window.cut(found, [one.id for one in found], ascending=True)])


@router.patch("/{sandbox_config_id}")
async def modify_config(request: Request, sandbox_config_id: ConfigId, body: wire.GivenConfig) -> Response:
    """Put other settings in their place."""
    who = caller(request)
    old = await surroundings.get(who.view, who.tenant, sandbox_config_id)
    new, changes = surroundings.plan_change(old, body.config.settings(), who.now_ms())
    await _there(who, changes, "sandbox config")
    return answer(wire.config(new))


@router.delete("/{sandbox_config_id}", status_code=204)
async def delete_config(request: Request, sandbox_config_id: ConfigId) -> Response:
    """Remove them, with all variables."""
    who = caller(request)
    old = await surroundings.get(who.view, who.tenant, sandbox_config_id)
    await _there(who, surroundings.plan_delete(old), "sandbox config")
    return Response(status_code=204)


@router.post("/{sandbox_config_id}/environment-variable")
async def create_variable(request: Request, sandbox_config_id: ConfigId, body: wire.CreateVariable) -> Response:
    """A variable that reviewed custom tools are handed. An agent's own secret of its name goes before it."""
    who, shop = caller(request), caller(request).workshop
    config = await surroundings.get(who.view, who.tenant, sandbox_config_id)
    value = body.value.get_secret_value()
    made, changes = await surroundings.plan_variable(
        who.view, shop.host, shop.seal, config, body.key, value, body.description
    )
    await shop.database.commit(changes)
    return answer(wire.variable(made))


@router.get("/{sandbox_config_id}/environment-variable")
async def list_variables(
    request: Request, sandbox_config_id: ConfigId, query: Annotated[PageQuery, Query()]
) -> Response:
    """Variables by name, oldest first, without their values."""
    who, window = caller(request), Window(query, ascending=True)
    await surroundings.get(who.view, who.tenant, sandbox_config_id)
    found = await surroundings.variables(who.view, who.tenant, sandbox_config_id, window.page)
    return answer([wire.variable(one) for one in window.ordered(found)])


async def _variable(who: Caller, variable_id: str) -> Variable:
    return await surroundings.variable(who.view, who.tenant, variable_id)


@router.patch("/environment-variable/{env_var_id}")
async def modify_variable(request: Request, env_var_id: VariableId, body: wire.ModifyVariable) -> Response:
    """Another name, value or description; what is not given stays."""
    who = caller(request)
    old = await _variable(who, env_var_id)
    given = {"name": body.key or old.name}
    if "description" in body.model_fields_set:
        given["description"] = body.description or ""
    new = msgspec.structs.replace(old, **given)
    value = None if body.value is None else body.value.get_secret_value()
    made, changes = await surroundings.plan_change_variable(who.view, who.workshop.seal, new, value, who.now_ms())
    await _there(who, changes, "variable")
    return answer(wire.variable(made))


@router.delete("/environment-variable/{env_var_id}", status_code=204)
async def delete_variable(request: Request, env_var_id: VariableId) -> Response:
    """Remove it: no tool is handed it any more."""
    who = caller(request)
    await _there(who, surroundings.plan_delete_variable(await _variable(who, env_var_id)), "variable")
    return Response(status_code=204)

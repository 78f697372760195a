"""Bringing the agent into the mesh, under the right name or not at all.

ZTM behaviour: a join is answered with 201 whatever it holds (a garbage certificate, an unreachable
hub, a second join), so it proves nothing. Only `connected`, seen together with the right
`agent.username`, does. An agent that is in the mesh as another user is never used: the bot would
speak under that name.
"""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from actors.http.client import HttpClient
from actors.ztm.client.answers import Mesh
from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.errors import JoinFailed, WrongUser, excerpt
from actors.ztm.joining.permit import PermitFile, PermitSource, read_permit, request_permit

__all__ = ["Joined", "ensure_joined"]

# ZTM behaviour: a healthy agent connects in 0.1 s, and within 2 s of its hub's return.
_POLL_S = 0.1
_RECONNECT_S = 5.0


class Joined(Struct, frozen=True):
    """The mesh, connected under the right name. `newly`: a permit was used; `advice` on it."""

    mesh: Mesh
    newly: bool
    advice: tuple[str, ...] = ()


async def ensure_joined(
    client: ZtmClient,
    *,
    username: str,
    permit_source: PermitSource,
    permit_http: HttpClient,
    permit_timeout_s: float,
    deadline_s: float,
    sleep: Callable[[float], Awaitable[None]],
) -> Joined:
    """Join the client's mesh as `username` unless that is already so, and see it connected.

    A mesh that is known but not connected gets 5 s to come back by itself before a permit is used:
    as a rule its hub is away, and a permit would not help. `deadline_s` bounds the waiting (the sum
    of the sleeps) after joining. Raises WrongUser, PermitUnusable, JoinFailed (with the agent's own
    reasons), and what `client` raises.
    """
    if await client.mesh() is not None:
        mesh = await _connected(client, username, _RECONNECT_S, sleep)
        if mesh is not None:
            return Joined(mesh, newly=False)
    advice: list[str] = []
    if isinstance(permit_source, PermitFile):
        permit, advice = read_permit(permit_source.path)
    else:
        permit = await request_permit(
            permit_http,
            permit_source.url,
            public_key=await client.identity(),
            username=username,
            timeout_s=permit_timeout_s,
        )
    await client.join(permit.named(f"{username}-ep"))
    mesh = await _connected(client, username, deadline_s, sleep)
    if mesh is None:
        raise JoinFailed(await _why_not(client, deadline_s))
    return Joined(mesh, newly=True, advice=tuple(advice))


async def _connected(
    client: ZtmClient,
    username: str,
    patience_s: float,
    sleep: Callable[[float], Awaitable[None]],
) -> Mesh | None:
    """The mesh once it is connected as `username`; None when that does not happen in time."""
    waited_s = 0.0
    while True:
        mesh = await client.mesh()
        if mesh is not None:
            _refuse_other_user(client, mesh, username)
            if mesh.connected and mesh.agent.username == username:
                return mesh
        if waited_s >= patience_s:
            return None
        await sleep(_POLL_S)
        waited_s += _POLL_S


def _refuse_other_user(client: ZtmClient, mesh: Mesh, username: str) -> None:
    found = mesh.agent.username
    if found and found != username:
        raise WrongUser(
            f"the ZTM Agent at {client.agent_url} is in the mesh {client.mesh_name!r} as"
            f" {excerpt(found, 60)!r}, but the account says username {username!r}; correct the"
            " username, or give this account an agent of its own, or leave the mesh there first"
        )


async def _why_not(client: ZtmClient, deadline_s: float) -> str:
    mesh = await client.mesh()
    errors = [excerpt(error.message) for error in mesh.errors] if mesh else []
    said = f"the agent's last error: {errors[-1]}" if errors else "the agent gives no reason"
    return (
        f"the ZTM Agent at {client.agent_url} took the permit for the mesh {client.mesh_name!r},"
        f" but was not connected within {deadline_s:g} s ({said}); see whether the permit's hub can"
        " be reached, and whether the permit is valid"
    )

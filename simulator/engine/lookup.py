"""Ask for the addresses of a name, as a client's resolver would tell it."""

from __future__ import annotations

from urllib.parse import urlsplit

from simulator.config.scenario import Request
from simulator.engine.resolve import addresses_of
from simulator.istiod.registry import Mesh, Pod
from simulator.observe.observation import Observation


def lookup(mesh: Mesh, client: Pod | None, wanted: Request, *, id: str, n: int) -> Observation:  # noqa: A002 - the observation's field
    """Return the addresses, a line each, as the observation's body.

    `dns:///NAME` asks the cluster's own resolver; `dns://SERVER/NAME` a server, and no pod
    is one. No time passes.
    """
    parts = urlsplit(wanted.url)
    name = parts.path.strip("/").lower()
    error = None
    found: tuple[str, ...] = ()
    if parts.netloc:
        error = f"connection refused: {parts.netloc} answers no queries"
    else:
        found = addresses_of(mesh, client, name)
        error = None if found else f"could not resolve host: {name}"
    return Observation(id=id, n=n, body="\n".join(found) if found else None, error=error)

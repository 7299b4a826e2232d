"""Invent changes of headers, which every level may have."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.case import Json, flag
from sandbox.fidelity.generate.matching import METADATA, NAMES, STATE

_ACTIONS = (
    "APPEND_IF_EXISTS_OR_ADD",
    "ADD_IF_ABSENT",
    "OVERWRITE_IF_EXISTS_OR_ADD",
    "OVERWRITE_IF_EXISTS",
)
_VALUES = (
    "v",
    "%REQ(X-A)%",
    "%REQ(:PATH)%",
    "%REQ(X-B?X-C):3%",
    "%ROUTE_NAME%",
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    f"%DYNAMIC_METADATA({METADATA}:a)%",
    f"%FILTER_STATE({STATE}:PLAIN)%",
    "a%%b",
)


def changes(chance: Random, share: float) -> Json:
    """Return the four fields that change headers, each in so many cases."""
    out: Json = {}
    for side in ("request", "response"):
        if chance.random() < share:
            few = chance.randint(1, 2)
            out[f"{side}_headers_to_add"] = [added(chance, side) for _ in range(few)]
        if chance.random() < share / 2:
            out[f"{side}_headers_to_remove"] = [chance.choice((*NAMES, "x-set"))]
    return out


def added(chance: Random, side: str) -> Json:
    """Return a HeaderValueOption."""
    values = (*_VALUES, "%RESPONSE_CODE%", "%RESP(X-SAID)%") if side == "response" else _VALUES
    header: Json = {"key": chance.choice((*NAMES, "x-set"))}
    if chance.random() < 0.1:
        header["raw_value"] = "cmF3"
    else:
        header["value"] = chance.choice(values)
    option: Json = {"header": header, **flag(chance, "keep_empty_value", 0.2)}
    if chance.random() < 0.15:
        return option | {"append": chance.random() < 0.5}
    return option | {"append_action": chance.choice(_ACTIONS)}


def mutation(chance: Random, side: str) -> Json:
    """Return a HeaderMutation."""
    if chance.random() < 0.3:
        return {"remove": chance.choice((*NAMES, "x-set"))}
    return {"append": added(chance, side)}

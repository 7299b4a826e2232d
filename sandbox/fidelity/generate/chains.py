"""Invent listeners of several filter chains, and connections to them."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.case import PORT, Dial, Json

_TYPE = "type.googleapis.com/envoy.extensions.filters."
_SAY = f"{_TYPE}network.direct_response.v3.Config"
_SERVER_NAMES = ("a.test", "b.a.test", "*.a.test", "*.test", "*.b.a.test")
_PROTOCOLS = ("h2", "http/1.1", "istio", "h2c", "http/1.0")
_ADDRESSES = ("127.0.1.1", "127.0.1.2", "127.0.2.1")
_SOURCES = ("127.0.0.1", "127.0.0.2", "127.0.3.1")
_SOURCE_PORTS = (23_001, 23_002)


def chains(chance: Random) -> Json:
    """Return a listener whose chains answer a connection with their names."""
    found: list[Json] = []
    seen: list[Json] = []
    for at in range(chance.randint(2, 7)):
        match = _match(chance)
        if match not in seen:
            seen.append(match)
            found.append({**_chain(f"chain{at}"), "filter_chain_match": match})
    inspectors = []
    for name in ("tls_inspector", "http_inspector"):
        if chance.random() < 0.8:
            kind = "".join(part.capitalize() for part in name.split("_"))
            config = {"@type": f"{_TYPE}listener.{name}.v3.{kind}"}
            inspectors.append({"name": name, "typed_config": config})
    listener: Json = {"filter_chains": found, "listener_filters": inspectors}
    if chance.random() < 0.6:
        listener["default_filter_chain"] = _chain("default")
    return listener


def _chain(name: str) -> Json:
    say = {"@type": _SAY, "response": {"inline_string": name}}
    return {"name": name, "filters": [{"name": "say", "typed_config": say}]}


def _match(chance: Random) -> Json:
    match: Json = {}
    if chance.random() < 0.15:
        match["destination_port"] = chance.choice((PORT, 1))
    if chance.random() < 0.25:
        match["prefix_ranges"] = _ranges(chance, _ADDRESSES)
    if chance.random() < 0.35:
        match["server_names"] = chance.sample(_SERVER_NAMES, chance.randint(1, 2))
    if chance.random() < 0.3:
        match["transport_protocol"] = chance.choice(("tls", "raw_buffer"))
    if chance.random() < 0.3:
        match["application_protocols"] = chance.sample(_PROTOCOLS, chance.randint(1, 2))
    if chance.random() < 0.12:
        match["direct_source_prefix_ranges"] = _ranges(chance, _SOURCES)
    if chance.random() < 0.12:
        match["source_type"] = chance.choice(("SAME_IP_OR_LOOPBACK", "EXTERNAL"))
    if chance.random() < 0.2:
        match["source_prefix_ranges"] = _ranges(chance, _SOURCES)
    if chance.random() < 0.12:
        match["source_ports"] = [chance.choice(_SOURCE_PORTS)]
    return match


def _ranges(chance: Random, addresses: tuple[str, ...]) -> list[Json]:
    return [
        {"address_prefix": chance.choice(addresses), "prefix_len": chance.choice((8, 16, 24, 32))}
        for _ in range(chance.randint(1, 2))
    ]


def dial(chance: Random, _: Json) -> Dial:
    """Return a connection to such a listener."""
    tls = chance.random() < 0.6
    names = ("", "a.test", "b.a.test", "x.b.a.test", "A.Test", "other")
    port = chance.choice((0, 0, *_SOURCE_PORTS))
    return Dial(
        address=chance.choice(_ADDRESSES),
        source=chance.choice(_SOURCES),
        source_port=port,
        sni=chance.choice(names) if tls else "",
        alpn=tuple(chance.sample(_PROTOCOLS[:3], chance.randint(0, 2))) if tls else ("http/1.1",),
        tls=tls,
    )

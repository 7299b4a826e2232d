"""Say what is wrong with a piece of text: a host, an address, a header's name. None if nothing.

Follows   istio pkg/config/validation/agent/validation.go, pkg/config/labels/instance.go,
          pkg/config/validation/{validation,header_value_validator}.go
"""

from __future__ import annotations

import ipaddress
import re

import re2

from simulator.istiod import protocol
from simulator.istiod.protocol import Protocol

SOCKET = "unix://"
_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_WILDCARD_LABEL = re.compile(r"\*|(?:\*-?)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_LONGEST_LABEL = 63
_LONGEST_DOMAIN = 255
_KEY = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9](?:[-a-zA-Z0-9_.]*[a-zA-Z0-9])?"
)
_VALUE = re.compile(r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?")
_GENERATED_SNI = re.compile(r"outbound_\.[0-9]+_\..*_\..+")
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~A-Za-z0-9]+")
_STRICT_HEADER = re.compile(r"[-A-Za-z0-9]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PSEUDO = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
_CLAIM = "@request.auth.claims"
_LARGEST_PORT = 65535
_LONGEST_REGEX = 1024
_MILLISECOND_NS = 1_000_000


def is_label(text: str) -> bool:
    """Say whether text may be one part of a domain name."""
    return len(text) <= _LONGEST_LABEL and _LABEL.fullmatch(text) is not None


def label(text: str) -> str | None:
    """Check the name of a port or a subset."""
    return None if is_label(text) else f"'{text}' is no name of letters, digits and dashes"


def domain(text: str) -> str | None:
    """Check a domain name without wildcards."""
    return _length(text) or _labels(text, text)


def _length(text: str) -> str | None:
    if not text:
        return "a host may not be empty"
    return f"a host has at most {_LONGEST_DOMAIN} characters" if len(text) > _LONGEST_DOMAIN else (
        None
    )  # fmt: skip


def _labels(rest: str, whole: str) -> str | None:
    parts = rest.split(".")
    if parts[-1].isascii() and parts[-1].isdigit():
        return f"'{whole}' is no domain name: its last part is a number"
    for at, part in enumerate(parts):
        if not part and at == len(parts) - 1:
            return None
        if not is_label(part):
            return f"'{whole}' is no domain name: its part '{part}' is not"
    return None


def wildcard_domain(text: str) -> str | None:
    """Check a domain name whose first part may begin with `*`."""
    found = _length(text)
    if found:
        return found
    first, dot, rest = text.partition(".")
    if len(first) > _LONGEST_LABEL or not _WILDCARD_LABEL.fullmatch(first):
        return f"'{text}' is no domain name: its part '{first}' is not"
    return _labels(rest, text) if dot else None


def gateway_host(text: str, *, sni: bool) -> str | None:
    """Check a host that a gateway serves; `sni` allows the names of istiod's own clusters."""
    if sni and text.partition(".")[0] == "outbound_":
        found = _GENERATED_SNI.fullmatch(text)
        return None if found else f"'{text}' is no name of a cluster"
    return wildcard_domain(text)


def partial_wildcard(text: str) -> str | None:
    """Check that a `*` stands for whole parts."""
    if "*" in text and len(text) != 1 and not text.startswith("*."):
        return f"the partial wildcard '{text}' is not allowed; `*.` stands for whole parts"
    return None


def trust_domain(text: str) -> str | None:
    """Check a trust domain."""
    if not text:
        return "a trust domain may not be empty"
    parts = text.removesuffix(".").split(".")
    return None if all(map(is_label, parts)) else f"'{text}' is an invalid trust domain"


def scoped_host(text: str, *, gateway: bool) -> str | None:
    """Check NAMESPACE/HOST; a gateway may leave the namespace out, a Sidecar exclude with `~`."""
    home, slash, host = text.partition("/")
    if not slash:
        return _scoped(text, gateway=True) if gateway else "it has the form NAMESPACE/HOST"
    if not home or not host:
        return "neither the namespace nor the host may be empty"
    if not gateway:
        home = home if home == "~" else home.removeprefix("~")
    known = {"*", "."} if gateway else {"*", ".", "~"}
    if home not in known and not is_label(home):
        return f"'{home}' is an invalid namespace value"
    return _scoped(host, gateway=gateway)


def _scoped(host: str, *, gateway: bool) -> str | None:
    if host != "*" and "." not in host:
        return f"'{host}' is a short name; write the whole host"
    found = wildcard_domain(host)
    if found and not (gateway and is_address(host)):
        return found
    return partial_wildcard(host)


def is_address(text: str) -> bool:
    """Say whether text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def address(text: str) -> str | None:
    """Check an IP address."""
    return None if is_address(text) else f"'{text}' is no IP address"


def subnet(text: str) -> str | None:
    """Check an IP address or a range of them, such as 10.0.0.0/8."""
    first, slash, bits = text.partition("/")
    if not slash:
        return address(text)
    try:
        if not (bits.isascii() and bits.isdigit()):
            raise ValueError(bits)
        ipaddress.ip_network(f"{first}/{bits}", strict=False)
    except ValueError:
        return f"'{text}' is no range of IP addresses"
    return None


def socket(path: str) -> str | None:
    """Check the path of a socket, what follows `unix://`."""
    if path.startswith("@"):
        return None
    if not path.startswith("/") or path.endswith("/"):
        return f"'{path}' is no absolute path of a socket"
    return None


def port(number: int) -> str | None:
    """Check a port's number."""
    if 1 <= number <= _LARGEST_PORT:
        return None
    return f"the port number {number} does not lie between 1 and {_LARGEST_PORT}"


def port_text(text: str) -> str | None:
    """Check a port's number as text; 0 passes."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _LARGEST_PORT:
        return None
    return f"'{text}' is no port number"


def host_and_port(text: str) -> str | None:
    """Check HOST:PORT."""
    host, colon, number = text.rpartition(":")
    if not colon or port_text(number) or number == "0":
        return f"'{text}' is not HOST:PORT"
    host = host.removeprefix("[").removesuffix("]")
    return None if is_address(host) else domain(host)


def protocol_name(text: str) -> str | None:
    """Check a port's protocol; none means that it is detected."""
    if not text or protocol.parse(text) is not Protocol.AUTO:
        return None
    return f"'{text}' is an invalid protocol; known are HTTP, HTTP2, GRPC, HTTPS, TLS, TCP, …"


def labels(found: dict[str, str]) -> str | None:
    """Check the labels of a subset or a workload."""
    for key, value in found.items():
        if not _KEY.fullmatch(key) or len(key.rpartition("/")[2]) > _LONGEST_LABEL:
            return f"'{key}' cannot name a label"
        if not _VALUE.fullmatch(value) or len(value) > _LONGEST_LABEL:
            return f"'{value}' cannot be a label's value"
    return None


def duration(duration_ns: int | None) -> str | None:
    """Check that a duration is a whole number of milliseconds, 1 or more."""
    if duration_ns is None:
        return None
    if duration_ns < _MILLISECOND_NS:
        return "a duration is 1ms or more"
    return "a duration is a whole number of milliseconds" if duration_ns % _MILLISECOND_NS else None


def percent(value: float) -> str | None:
    """Check a share of 0 to 100."""
    return None if 0 <= value <= 100 else f"{value} does not lie between 0 and 100"


def header(name: str) -> str | None:
    """Check the name of a header that is compared: pseudo headers and JWT claims too."""
    if name in _PSEUDO or (name.startswith(_CLAIM) and len(name) > len(_CLAIM)):
        return None
    return _token(name)


def _token(name: str) -> str | None:
    if not name:
        return "a header's name may not be empty"
    return None if _HEADER.fullmatch(name) else f"'{name}' is no name of a header"


def cors_header(name: str) -> str | None:
    """Check a header's name in a CORS policy; `*` means all."""
    return _token(name)


def strict_header(name: str) -> str | None:
    """Check a header's name of letters, digits and dashes alone."""
    if not name:
        return "a header's name may not be empty"
    return None if _STRICT_HEADER.fullmatch(name) else f"'{name}' is no name of a header"


def is_authority(name: str) -> bool:
    """Say whether a header holds the request's host."""
    return name.lower() in {":authority", "host"}


def changed_header(name: str, *, authority: bool) -> str | None:
    """Check the name of a header that is set; `authority` may be, on requests."""
    if not name:
        return "a header's name may not be empty"
    if is_authority(name) and authority:
        return None
    if name.lower() == "host":
        return "the Host header cannot be changed here"
    return f"'{name}' is a pseudo header" if name.startswith(":") else None


def header_value(value: str) -> str | None:
    """Check what a header is set to: variables stand between two `%`, `%%` is a `%`."""
    if _CONTROL.search(value):
        return f"'{value!r}' holds control characters"
    rest = value
    while rest:
        _, sign, rest = rest.partition("%")
        if not sign:
            return None
        if rest.startswith("%"):
            rest = rest[1:]
            continue
        end = _variable(rest)
        if end < 0:
            return f"'{value}' has a `%` that is not closed; write `%%` for the sign itself"
        rest = rest[end:]
    return None


def _variable(text: str) -> int:
    """Return where a variable such as `NAME%` or `NAME(…)%` ends; -1 if it does not."""
    opening, closing = text.find("("), text.find("%")
    if opening < 0 or closing < opening:
        return closing + 1 if closing >= 0 else -1
    end = text.find(")", opening)
    if end < 0:
        return -1
    after = text[end + 1 :].lstrip(" ")
    return len(text) - len(after) + 1 if after.startswith("%") else -1


def regex(pattern: str) -> str | None:
    """Check a regular expression in RE2's syntax."""
    if not pattern:
        return "a regular expression may not be empty"
    if len(pattern) > _LONGEST_REGEX:
        return f"a regular expression has at most {_LONGEST_REGEX} characters"
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options=options)
    except re2.error as error:
        text = error.args[0] if error.args else "no reason"
        reason = text.decode() if isinstance(text, bytes) else text
        return f"'{pattern}' is no regular expression in RE2's syntax ({reason})"
    return None


def not_empty(text: str) -> str | None:
    """Check that there is text."""
    return None if text else "an empty value is not allowed"

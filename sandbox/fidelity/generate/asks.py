"""Invent requests to a listener, out of the pieces of what it says."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from sandbox.fidelity.generate.case import CLUSTERS, Ask, Json, messages, the_manager
from sandbox.fidelity.generate.matching import NAMES, PATHS, VALUES
from sandbox.fidelity.generate.routes import INTERNAL, LAST

_HOSTS = ("a.test", "b.a.test", "x.b.a.test", "b-a.test", "test", "a.example", "[::1]", "a.test.",
          "127.0.0.1", "a_b.test")  # fmt: skip
_COOKIES = ("u=1; v=one", "v=One", "u=", 'u="7"')
_ODD_PATHS = ("/a/../b", "/a/./b", "/a%2Fb", "/a%5cb", "//a", "/%61/b", "/a/%2e%2e/b", "/a#f", "/%")
_STEPS = ("200", "503", "500", "404", "429", "502", "200+x-said:one", "503+x-said:7",
          "503+x-envoy-ratelimited:true", "200+grpc-status:14", "200+server:them", "close",
          "garbage")  # fmt: skip
_EXTRA = (
    ("x-forwarded-for", ("1.2.3.4", "10.0.0.1", "10.0.0.1, 127.0.0.1", "1.2.3.4,5.6.7.8", "odd")),
    ("x-forwarded-proto", ("https", "http", "odd")),
    ("x-request-id", ("mine",)),
    ("x_under", ("1",)),
    ("via", ("them",)),
    ("te", ("trailers", "gzip")),
    ("connection", ("x-a",)),
    ("x-forwarded-client-cert", ("By=them",)),
    ("x-envoy-retry-on", ("5xx", "connect-failure,retriable-status-codes")),
    ("x-envoy-max-retries", ("0", "2")),
    ("x-envoy-retriable-status-codes", ("404",)),
    ("x-envoy-retriable-header-names", ("x-said",)),
    ("x-envoy-upstream-rq-timeout-ms", ("100",)),
    ("x-envoy-upstream-rq-per-try-timeout-ms", ("70",)),
    ("x-envoy-upstream-rq-timeout-alt-response", ("1",)),
    ("x-envoy-expected-rq-timeout-ms", ("120",)),
    ("x-envoy-original-path", ("/mine",)),
    (INTERNAL, ("1",)),
    (LAST, (CLUSTERS[-1],)),
    ("x-envoy-fault-abort-request", ("503", "99")),
    ("x-envoy-fault-abort-request-percentage", ("0", "100")),
    ("x-envoy-fault-abort-grpc-request", ("7",)),
    ("x-envoy-fault-delay-request", ("1",)),
    ("x-envoy-fault-delay-request-percentage", ("0", "100")),
    ("x-envoy-downstream-service-cluster", ("mine",)),
    ("x-vhost", ("a.test", "b.a.test")),
    ("grpc-timeout", ("100m", "1S")),
    ("origin", ("http://a.test", "https://other")),
    ("access-control-request-method", ("PUT",)),
    ("access-control-request-private-network", ("true",)),
)


def ask(chance: Random, listener: Json) -> Ask:
    """Return a request that goes to one of a listener's routes, most of the time."""
    manager = the_manager(listener)
    table = manager["route_config"]
    host = chance.choice(table["virtual_hosts"])
    routes = host.get("routes") or [
        each for each in messages(host["matcher"], "typed_config") if "match" in each
    ]
    match = chance.choice(routes)["match"]
    text = str(listener)
    headers = _headers(chance, match, text)
    method = chance.choices(("GET", "POST", "HEAD", "PUT", "OPTIONS"), (12, 4, 2, 2, 1))[0]
    if "origin" in dict(headers) and chance.random() < 0.5:
        method = "OPTIONS"
    return Ask(
        method=method,
        host=_host_for(chance, host["domains"][0]),
        path=_path_for(chance, match),
        headers=tuple(headers),
        script=_script(chance, text),
        body=chance.choice((0, 3, 10, 60)) if method in ("POST", "PUT") else 0,
    )


def _headers(chance: Random, match: Json, text: str) -> list[tuple[str, str]]:
    headers = _wanted(chance, match)
    for name in NAMES:
        headers += [(name, chance.choice(VALUES)) for _ in range(_few(chance, 0.3))]
    # An entry that a header names is told by number alone.
    times = 1 if LAST in text else _few(chance, 0.8)
    headers += [("x-random", str(chance.choice((0, 1, 49, 50, 99, 100, 10**12))))] * times
    if "x-cluster" in text and chance.random() < 0.7:
        headers.append(("x-cluster", chance.choice((*CLUSTERS, "gone"))))
    cookies = [f"{name}={value}" for name, value in _met(chance, match, "cookies")]
    if cookies or chance.random() < 0.2:
        headers.append(("cookie", "; ".join(cookies or [chance.choice(_COOKIES)])))
    if chance.random() < 0.05 or ("grpc" in match and chance.random() < 0.6):
        headers.append(("content-type", "application/grpc"))
    for name, values in _EXTRA:
        if chance.random() < _share(name, text):
            headers.append((name, chance.choice(values)))
    return headers


def _share(name: str, text: str) -> float:
    """Return how often a header is sent: more often where the listener has to do with it."""
    for word, about in (
        ("fault", "HTTPFault"),
        ("origin", "CorsPolicy"),
        ("access-control", "CorsPolicy"),
        ("grpc-timeout", "grpc_timeout"),
        ("forwarded-for", "use_remote_address"),
        ("forwarded-for", "xff_num"),
        ("forwarded-proto", "require_tls"),
        ("client-cert", "forward_client_cert"),
        ("request-id", "request_id"),
        ("x_under", "underscores"),
        ("vhost", "vhost_header"),
        ("internal", "internal_only"),
        ("expected", "respect_expected"),
        ("via", "'via'"),
        (LAST, LAST),
    ):
        if word in name and about in text:
            return 0.4
    return 0.02


def _script(chance: Random, text: str) -> tuple[str, ...]:
    share = 0.7 if "retry_on" in text else 0.1
    if chance.random() > share:
        return ("200",)
    steps = [chance.choice(_STEPS) for _ in range(chance.randint(1, 3))]
    # Silence takes time: it is for routes that may end it.
    if "imeout" in text and chance.random() < 0.15:
        steps[chance.randrange(len(steps))] = "hang"
    return (*steps, "200")


def _few(chance: Random, share: float) -> int:
    """Return how often a header comes: sometimes twice."""
    return (1 + (chance.random() < 0.15)) if chance.random() < share else 0


def _wanted(chance: Random, match: Json) -> list[tuple[str, str]]:
    """Return headers that a match asks for, most of the time."""
    return [pair for pair in _met(chance, match, "headers") if not pair[0].startswith(":")]


def _met(chance: Random, match: Json, field: str) -> Iterator[tuple[str, str]]:
    """Yield names and values that meet, or nearly meet, the matchers of a field."""
    for matcher in match.get(field, ()):
        if chance.random() < 0.2:
            continue
        text = matcher.get("string_match", {})
        value = next((text[k] for k in ("exact", "prefix", "suffix", "contains") if k in text), "")
        for way in ("exact_match", "prefix_match", "suffix_match", "contains_match"):
            value = matcher.get(way, value)
        if "safe_regex" in text or "safe_regex_match" in matcher:
            value = chance.choice(("7", "one", "xone"))
        if "range_match" in matcher:
            ends = list(matcher["range_match"].values())
            value = str(chance.choice(ends) - chance.randint(0, 1))
        if value and "exact" not in text and chance.random() < 0.5:
            value = chance.choice((value + "1", "1" + value))
        yield matcher["name"], value or chance.choice(VALUES)


def _host_for(chance: Random, domain: str) -> str:
    host = chance.choice(_HOSTS)
    if chance.random() < 0.7:
        host = domain.replace("*", chance.choice(("x", "x.y", "")) if len(domain) > 1 else host)
    if chance.random() < 0.1:
        host = host.upper()
    if chance.random() < 0.15 and (":" not in host or host.endswith("]")):
        host += chance.choice((":80", ":81"))
    if chance.random() < 0.03:
        host += "."
    return host or "a.test"


def _path_for(chance: Random, match: Json) -> str:
    path = next((match[k] for k in ("prefix", "path", "path_separated_prefix") if k in match), None)
    if path is None or chance.random() < 0.2:
        path = chance.choice(PATHS)
    if chance.random() < 0.07:
        path = chance.choice(_ODD_PATHS)
    path += chance.choices(("", "/", "/x", "x", "/1"), (5, 1, 2, 1, 1))[0]
    if chance.random() < 0.1:
        path = path.swapcase()
    query = [
        f"{name}={value}"
        for name, value in _met(chance, match, "query_parameters")
        if " " not in value
    ]
    query += [
        f"{name}={value}"
        for name in "pq"
        for value in chance.sample(("1", "one", "One", "", "a%20b"), _few(chance, 0.2))
    ]
    return path + ("?" + "&".join(query) if query else "")

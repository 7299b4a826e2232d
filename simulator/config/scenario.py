"""The scenario file: a mesh, how its workloads behave, who loads it and what is expected.

Published as `schemas/scenario.v1.json`. Read by the simulator *and* by the
sandbox, which scripts real workloads from the same behaviours.
Durations are text with a unit (`250us`, `4ms`, `1.5s`, `2m`), shares are 0 to 1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from simulator.config.events import Event
from simulator.config.record import Duration, Record, Share, portion


def _or_text(schema: dict[str, Any]) -> None:
    """Let a schema take plain text, too."""
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, whole]


class Latency(Record):
    """How long a workload takes for one answer. Plain text (`5ms`) is a fixed time.

    Just one of the forms is given: `fixed`, `exponential` (its mean), a log-normal by `p50`
    and `p99`, `gamma` (its mean) with its `shape`, or a `histogram`.
    """

    fixed: Duration | None = None
    exponential: Duration | None = None
    p50: Duration | None = None
    p99: Duration | None = None
    gamma: Duration | None = None
    shape: float | None = Field(default=None, gt=0, le=10_000)
    """1 is the exponential distribution; more is steadier, less is burstier."""
    histogram: dict[Duration, float] | None = Field(default=None, min_length=1)
    """As measured: the weight of what took up to so long, and longer than the one before."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:  # noqa: ANN401 - raw input
        return {"fixed": value} if isinstance(value, (str, int)) else value

    @model_validator(mode="after")
    def _one_form(self) -> Latency:
        forms = self.fixed, self.exponential, self.p50, self.gamma, self.histogram
        paired = (self.p50 is None) == (self.p99 is None)
        if (
            sum(form is not None for form in forms) != 1
            or not paired
            or (self.gamma is None) != (self.shape is None)
        ):
            message = (
                "give just one of `fixed`, `exponential`, `p50` with `p99`, `gamma` with `shape`, "
                "or `histogram`"
            )
            raise ValueError(message)
        weights = (self.histogram or {0: 1.0}).values()
        if min(weights) < 0 or sum(weights) <= 0:
            message = "the weights of a `histogram` are not negative, and one of them is not 0"
            raise ValueError(message)
        return self


class Answer(Record):
    """One answer of a workload that differs from its usual 200."""

    status: int = Field(default=200, ge=200, le=599)
    latency: Latency | None = None
    """Instead of the behaviour's own latency."""


class Disturbance(Answer):
    """An answer given now and then: each request draws for it."""

    share: Share


class Call(Record):
    """A request that a workload sends, through its own proxy, before it answers."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = Field(default={})
    forward: tuple[str, ...] = ("x-request-id", "end-user", "traceparent")
    """Headers of the incoming request that are passed on."""


class Spoken(StrEnum):
    """What a workload speaks at a port."""

    HTTP = "http"
    """HTTP/1.1 and HTTP/2, in plain text."""
    HTTPS = "https"
    """The same inside TLS, with a certificate for the names of its services."""
    TCP = "tcp"
    """It answers any bytes with its pod's name."""
    SERVER_FIRST = "tcp-server-first"
    """It says its pod's name before it is spoken to."""


class Port(Record):
    """A port of a workload. Plain text (`https`) is what it speaks."""

    speaks: Spoken = Spoken.HTTP
    binds: Literal["any", "pod", "localhost"] = "any"
    """The addresses that it listens at: all, the pod's alone, or 127.0.0.1 alone."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:  # noqa: ANN401 - raw input
        return {"speaks": value} if isinstance(value, str) else value

    def hears(self, address: str) -> bool:
        """Say whether a connection to an address of the pod reaches it."""
        local = address.startswith("127.")
        return self.binds == "any" or (self.binds == "localhost") == local


class Behaviour(Record):
    """What the pods of one Deployment do. Without one, a pod answers 200 at once."""

    latency: Latency = Latency(fixed=0)
    concurrency: int | None = Field(default=None, ge=1)
    """Requests that one replica works on at a time; others wait in line. Unlimited if absent."""
    queue: int | None = Field(default=None, ge=0)
    """How many may wait in line; one more is answered 503 at once. Unlimited if absent."""
    holds: Literal["request", "work"] = "request"
    """How long a request keeps its place: until its answer, as with a thread for each, or during
    the replica's own work, leaving it to others while calls are under way."""
    ports: dict[int, Port] = Field(default={})
    """By container port; those that are not named speak `http` at every address."""
    script: tuple[Answer, ...] = ()
    """Answers given in turn, per replica, from the first again after the last."""
    disturbances: tuple[Disturbance, ...] = ()
    """Drawn in order; the first that hits decides. Not drawn where a script is given."""
    calls: tuple[Call, ...] = ()
    """Sent one after the other; a failed one (no response, or 5xx) does not fail the answer."""


class Pace(Record):
    """How many requests a second there are at a time."""

    at: Duration
    """Counted from the client's start; before the first one its rate holds."""
    rate: float = Field(ge=0, le=1_000_000)


class Client(Record):
    """A source of load: open loop (`rate` or `ramp`) or closed loop (`users`)."""

    name: str
    from_: str = Field(default="outside", alias="from")
    """`DEPLOYMENT.NAMESPACE`, or `outside` for a client beyond the mesh."""
    via: str | None = None
    """A gateway's `DEPLOYMENT.NAMESPACE` to connect to, whatever the URL's host."""
    url: str
    method: str = "GET"
    headers: dict[str, str] = Field(default={})
    rate: float | None = Field(default=None, gt=0, le=1_000_000)
    """Mean requests a second; it does not wait for answers."""
    ramp: tuple[Pace, ...] = ()
    """Instead of one rate: between two of them it changes evenly, after the last it stays."""
    arrivals: Literal["poisson", "constant"] = "poisson"
    """Whether requests of an open loop come at random times, or evenly spaced."""
    users: int | None = Field(default=None, ge=1, le=100_000)
    """So many users, each sending its next request after the answer and `think`."""
    think: Duration = 0
    start: Duration = 0
    stop: Duration | None = None
    """When the load ends; the scenario's duration if absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _one_loop(self) -> Client:
        if [self.rate is not None, bool(self.ramp), self.users is not None].count(True) != 1:
            message = "give just one of `rate` or `ramp` (open loop) or `users` (closed loop)"
            raise ValueError(message)
        times = [pace.at for pace in self.ramp]
        if times != sorted(times):
            message = "the times of a `ramp` come one after the other"
            raise ValueError(message)
        return self


class Slo(Record):
    """What a client is promised. A run that does not keep it fails."""

    client: str
    p50: Duration | None = None
    """Half of its requests take so long at most; so for the others."""
    p90: Duration | None = None
    p99: Duration | None = None
    errors: (
        Annotated[Share, BeforeValidator(portion, json_schema_input_type=float | str)] | None
    ) = None
    """The share of requests, as 0.01 or `1%`, that may get no response, or one of 5xx."""

    @model_validator(mode="after")
    def _something(self) -> Slo:
        if (self.p50, self.p90, self.p99, self.errors) == (None, None, None, None):
            message = "promise something: `p50`, `p90`, `p99` or `errors`"
            raise ValueError(message)
        return self


class Network(Record):
    """What lies between any two proxies, and between a proxy and its own workload."""

    latency: Latency = Latency(fixed=250_000)
    """One way, between pods."""


class DnsRecord(Record):
    """What a name resolves to."""

    addresses: tuple[str, ...] = ()
    """IP addresses, or other names such as a Service's."""
    ttl: Duration = 30_000_000_000
    """How long that holds for who has asked."""


class Istiod(Record):
    """How the control plane is set up; the defaults are istiod's own."""

    debounce_after: Duration = 100_000_000
    """How long it must be quiet before changes are pushed (PILOT_DEBOUNCE_AFTER)."""
    debounce_max: Duration = 10_000_000_000
    """How long it waits for quiet at most (PILOT_DEBOUNCE_MAX)."""
    cores: int = Field(default=4, ge=1, le=128)
    push_throttle: int = Field(default=0, ge=0, le=10_000)
    """How many proxies are pushed to at a time (PILOT_PUSH_THROTTLE); 0: by the cores."""


class ScenarioFile(Record):
    """A scenario, as written."""

    schema_: Literal["scenario.v1"] = Field(default="scenario.v1", alias="schema")
    title: str = ""
    manifests: tuple[str, ...] = ()
    """Files or folders of Kubernetes and Istio YAML, relative to this file."""
    seed: int = Field(default=1, ge=0)
    duration: Duration = 60_000_000_000
    workloads: dict[str, Behaviour] = Field(default={})
    """By `DEPLOYMENT` (namespace default) or `DEPLOYMENT.NAMESPACE`."""
    clients: tuple[Client, ...] = ()
    network: Network = Network()
    dns: dict[str, DnsRecord] = Field(default={})
    """What names resolve to for proxies, besides the mesh's own Services."""
    istiod: Istiod = Istiod()
    events: tuple[Event, ...] = ()
    """What happens to the mesh while the clients load it; in any order."""
    slos: tuple[Slo, ...] = ()
    """What has to hold of the whole run."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @field_validator("slos", mode="after")
    @classmethod
    def _of_clients(cls, slos: tuple[Slo, ...], info: ValidationInfo) -> tuple[Slo, ...]:
        known = [client.name for client in info.data.get("clients", ())]
        for slo in slos:
            if slo.client not in known and "clients" in info.data:
                message = (
                    f"there is no client `{slo.client}`; known are {', '.join(known) or 'none'}"
                )
                raise ValueError(message)
        return slos


class TlsClient(Record):
    """How a client opens TLS. It takes any certificate, as `curl --insecure` does."""

    sni: str | None = None
    """The server name; the URL's host if absent, empty for none."""
    alpn: tuple[str, ...] | None = None
    """What it offers; what its protocol asks for if absent."""
    client_cert: str | None = None
    """The certificate that it shows: `NAMESPACE/NAME` of a Secret."""


class Request(Record):
    """One entry of a request file, as sent by `meshdojo probe`. Only `url` is required."""

    id: str | None = None
    from_: str = Field(default="outside", alias="from")
    """`DEPLOYMENT.NAMESPACE`, or `outside` for a client beyond the mesh."""
    url: str
    via: str | None = None
    """A gateway or workload to connect to, whatever the host header says."""
    method: str = "GET"
    headers: dict[str, str | tuple[str, ...]] = Field(default={})
    body: str = ""
    protocol: Literal["http1", "http2", "grpc", "tcp", "tls", "dns"] = "http1"
    """`tcp` sends the body as it is, `tls` inside TLS; without a body the client of either waits
    for the server to speak first. The URL then says where: `tcp://HOST:PORT`. `dns` asks for the
    addresses of a name: `dns:///NAME`, or `dns://SERVER/NAME`."""
    tls: TlsClient | None = None
    """For `https://` URLs and `tls`."""
    count: int = Field(default=1, ge=1, le=100_000)

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

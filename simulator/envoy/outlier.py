"""Leave out, for a while, the hosts of a cluster that fail.

Hosts that fail several times in a row are ejected at once. At each tick of the interval
hosts whose time is over come back, and those that did much worse than the others since
the last tick are ejected. Ticks that have passed are made up for when somebody looks:
nobody can tell the difference, and nothing has to wait for them.

Models    envoy.config.cluster.v3.OutlierDetection
Follows   envoy/source/common/upstream/outlier_detection_impl.cc
Leaves    error matchers, degraded hosts, monitors that are extensions
          (docs/fidelity.md#outlier-detection)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt

from simulator.envoy.balance import Host
from simulator.envoy.cluster import OutlierDetection
from simulator.envoy.draws import Draws

_MILLISECOND = 1_000_000


class Result(StrEnum):
    """What became of an attempt."""

    CONNECTED = "connected"
    ANSWERED = "answered"
    TIMED_OUT = "timed out"
    FAILED = "failed"
    """The connection failed, or the stream was reset."""


_STATUS = {Result.TIMED_OUT: 504, Result.FAILED: 503}
"""What a failure counts as where the two kinds are not told apart."""


@dataclass(slots=True)
class _Rate:
    """Requests since the last tick, and those between the two before it."""

    total: int = 0
    good: int = 0
    last_total: int = 0
    last_good: int = 0

    def add(self, *, good: bool) -> None:
        self.total += 1
        self.good += good

    def turn(self) -> None:
        self.last_total, self.last_good = self.total, self.good
        self.total = self.good = 0


@dataclass(slots=True)
class _Monitor:
    """What is known of one host."""

    errors: int = 0
    """5xx in a row."""
    gateway_errors: int = 0
    local_errors: int = 0
    external: _Rate = field(default_factory=_Rate)
    local: _Rate = field(default_factory=_Rate)
    multiplier: int = 0
    """How many times the base time the next ejection lasts; it grows and decays."""
    ejected_ns: int = 0
    jitter_ns: int = 0
    returned_ns: int | None = None

    def reset(self) -> None:
        self.errors = self.gateway_errors = self.local_errors = 0


class Detector:
    """One cluster's outlier detection, in one proxy."""

    __slots__ = ("_changed", "_config", "_monitors", "next_ns")

    def __init__(self, config: OutlierDetection, now: int, changed: Callable[[int], None]) -> None:
        """`changed` is told the time when a host was ejected or came back."""
        self._config = config
        self._changed = changed
        self.next_ns = now + config.interval_ns
        """When the next tick is due."""
        self._monitors: dict[Host, _Monitor] = {}

    @property
    def splits(self) -> bool:
        """Say whether failures to connect are counted apart from what endpoints answer."""
        return self._config.split_external_local_origin_errors

    def update(self, hosts: Iterable[Host]) -> None:
        """Take the hosts as they are now; those that stay keep what is known of them."""
        self._monitors = {host: self._monitors.get(host) or _Monitor() for host in hosts}

    def advance(self, now: int, draws: Draws) -> None:
        """Make up for the ticks that have passed."""
        interval = self._config.interval_ns
        while self.next_ns <= now:
            if self._idle():
                missed = (now - self.next_ns) // interval + 1
                self.next_ns += missed * interval
                return
            self._tick(self.next_ns, draws)
            self.next_ns += interval

    def report(
        self, host: Host, result: Result, now: int, draws: Draws, status: int | None = None
    ) -> None:
        """Take what became of an attempt; `status` is what it counts as, if there is one."""
        if self.next_ns <= now:
            self.advance(now, draws)
        monitor = self._monitors.get(host)
        if monitor is None:
            return
        if result is not Result.ANSWERED and self._config.split_external_local_origin_errors:
            self._count_local(host, monitor, result, now, draws)
            return
        counted = status if status is not None else _STATUS.get(result)
        if counted is not None:
            self._count_status(host, monitor, counted, now, draws)

    def _count_status(
        self, host: Host, monitor: _Monitor, status: int, now: int, draws: Draws
    ) -> None:
        config = self._config
        failed = 500 <= status <= 599
        monitor.external.add(good=not failed)
        if not failed:
            monitor.errors = monitor.gateway_errors = 0
            return
        if 502 <= status <= 504:
            monitor.gateway_errors += 1
            if monitor.gateway_errors == config.consecutive_gateway_failure:
                percent = config.enforcing_consecutive_gateway_failure
                what = f"{monitor.gateway_errors} gateway failures"
                if self._detected(host, what, percent, now, draws):
                    monitor.gateway_errors = 0
        else:
            monitor.gateway_errors = 0
        monitor.errors += 1
        if monitor.errors == config.consecutive_5xx:
            what = f"{monitor.errors} responses 5xx"
            if self._detected(host, what, config.enforcing_consecutive_5xx, now, draws):
                monitor.errors = 0

    def _count_local(
        self, host: Host, monitor: _Monitor, result: Result, now: int, draws: Draws
    ) -> None:
        config = self._config
        good = result is Result.CONNECTED
        monitor.local.add(good=good)
        if good:
            monitor.local_errors = 0
            return
        monitor.local_errors += 1
        if monitor.local_errors == config.consecutive_local_origin_failure:
            percent = config.enforcing_consecutive_local_origin_failure
            what = f"{monitor.local_errors} local failures"
            if self._detected(host, what, percent, now, draws):
                monitor.local_errors = 0

    def _detected(self, host: Host, what: str, percent: int, now: int, draws: Draws) -> bool:
        """Take that a host failed several times in a row; say whether it was not out already."""
        if host.ejected:
            return False
        self._eject(host, f"{what} in a row", percent, now, draws)
        return True

    def _eject(self, host: Host, why: str, percent: int, now: int, draws: Draws) -> None:
        config, monitor = self._config, self._monitors[host]
        out = sum(bool(each.ejected) for each in self._monitors)
        allowed = 100.0 * (out + 1) / len(self._monitors) <= config.max_ejection_percent
        if not allowed and not (config.always_eject_one_host and out == 0):
            return
        if percent < 100 and draws.next("outlier enforcing") % 100 >= percent:
            return
        host.ejected = why
        monitor.ejected_ns = now
        jitter_ms = config.max_ejection_time_jitter_ns // _MILLISECOND
        if jitter_ms:
            monitor.jitter_ns = draws.next("ejection jitter") % (jitter_ms + 1) * _MILLISECOND
        base, longest = config.base_ejection_time_ns, config.max_ejection_time_ns
        if monitor.multiplier * base < longest + base:
            monitor.multiplier += 1
        self._changed(now)

    def _idle(self) -> bool:
        """Say whether a tick would change nothing."""
        return not any(
            host.ejected or each.multiplier or each.external.total or each.external.last_total
            or each.local.total or each.local.last_total
            for host, each in self._monitors.items()
        )  # fmt: skip

    def _tick(self, now: int, draws: Draws) -> None:
        for host, monitor in self._monitors.items():
            if host.ejected and now - monitor.ejected_ns >= self._duration_ns(monitor):
                self._uneject(host, monitor, now)
            monitor.external.turn()
            monitor.local.turn()
        config = self._config
        self._compare("external", config.enforcing_success_rate,
                      config.enforcing_failure_percentage, now, draws)  # fmt: skip
        self._compare("local", config.enforcing_local_origin_success_rate,
                      config.enforcing_failure_percentage_local_origin, now, draws)  # fmt: skip
        for host, monitor in self._monitors.items():
            returned = monitor.returned_ns
            if host.ejected or returned is None or now - returned < config.interval_ns:
                continue
            monitor.multiplier = max(0, monitor.multiplier - 1)

    def passed_check(self, host: Host, now: int) -> None:
        """Take that a host has passed an active health check, which brings it back."""
        monitor = self._monitors.get(host)
        if (
            host.ejected
            and monitor is not None
            and self._config.successful_active_health_check_uneject_host
        ):
            self._uneject(host, monitor, now)

    def _uneject(self, host: Host, monitor: _Monitor, now: int) -> None:
        host.ejected = ""
        host.since_ns = now
        monitor.reset()
        monitor.returned_ns = now
        self._changed(now)

    def _duration_ns(self, monitor: _Monitor) -> int:
        config = self._config
        time_ns = config.base_ejection_time_ns * monitor.multiplier
        return min(time_ns, config.max_ejection_time_ns) + monitor.jitter_ns

    def _compare(self, kind: str, rate_pct: int, failures_pct: int, now: int, draws: Draws) -> None:
        """Eject hosts that did worse than the others, or than what is asked."""
        config = self._config
        rates: list[tuple[Host, float, int]] = []
        for host, monitor in self._monitors.items():
            seen: _Rate = getattr(monitor, kind)
            if seen.last_total and not host.ejected:
                rates.append((host, 100.0 * seen.last_good / seen.last_total, seen.last_total))
        compared = [each for each in rates if each[2] >= config.success_rate_request_volume]
        if compared and len(compared) >= config.success_rate_minimum_hosts:
            least = threshold(
                [rate for _, rate, _ in compared], config.success_rate_stdev_factor / 1000
            )
            for host, rate, _ in compared:
                if rate < least:
                    why = f"a success rate of {rate:.4g} %, where {least:.4g} % is the least"
                    self._eject(host, why, rate_pct, now, draws)
        judged = [each for each in rates if each[2] >= config.failure_percentage_request_volume]
        if judged and len(judged) >= config.failure_percentage_minimum_hosts:
            for host, rate, _ in judged:
                if 100.0 - rate >= config.failure_percentage_threshold and not host.ejected:
                    self._eject(host, f"{100.0 - rate:.4g} % failures", failures_pct, now, draws)


_HTTP_OF_GRPC = {
    0: 200, 1: 499, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400,
    12: 501, 14: 503, 16: 401,
}  # fmt: skip


def status_of(status: int, grpc_status: str | None) -> int:
    """Return the status that a response counts as; `grpc_status` is that of its headers."""
    if grpc_status is None or not grpc_status.isdigit():
        return status
    return _HTTP_OF_GRPC.get(int(grpc_status), 500)


def threshold(rates: list[float], factor: float) -> float:
    """Return the success rate below which a host is an outlier: the mean less some deviations."""
    mean = sum(rates) / len(rates)
    variance = sum((rate - mean) ** 2 for rate in rates) / len(rates)
    return mean - factor * sqrt(variance)

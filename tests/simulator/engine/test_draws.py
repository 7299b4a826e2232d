"""Chance: streams that depend on the seed and a name alone."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.config.scenario import Latency
from simulator.engine.draws import ProxyChance, exponentials, integers, sampler, uniforms


def test_the_numbers_of_a_seed_and_a_name_never_change() -> None:
    draw = integers(7, "proxy a")

    assert [draw() for _ in range(3)] == [
        14254254766305266808,
        2015494308190274171,
        6696031117992833600,
    ]


@pytest.mark.parametrize(
    ("seed", "name"),
    [pytest.param(8, "a", id="another seed"), pytest.param(7, "b", id="another name")],
)
def test_streams_differ(seed: int, name: str) -> None:
    assert integers(7, "a")() != integers(seed, name)()


def test_one_use_of_a_proxys_chance_does_not_move_another() -> None:
    quiet, busy = ProxyChance(1, "p"), ProxyChance(1, "p")
    for _ in range(1000):
        busy.next("back-off")

    assert quiet.next("endpoint") == busy.next("endpoint")
    assert quiet.begin().stream == busy.begin().stream


def test_uniforms_are_in_the_unit_interval() -> None:
    draw = uniforms(1, "u")
    values = [draw() for _ in range(10_000)]

    assert 0 <= min(values) < 0.001 < 0.999 < max(values) < 1


def test_exponential_durations_have_their_mean() -> None:
    draw = exponentials(1, "e", 4_000_000)
    values = np.array([draw() for _ in range(100_000)])

    # Five standard errors of the mean.
    assert values.mean() == pytest.approx(4_000_000, abs=5 * 4_000_000 / np.sqrt(len(values)))
    assert values.std() == pytest.approx(4_000_000, rel=0.02)


def test_a_log_normal_latency_has_its_percentiles() -> None:
    draw = sampler(Latency(p50="4ms", p99="40ms"), 1, "l")  # type: ignore[arg-type]
    values = np.array([draw() for _ in range(100_000)])

    assert np.percentile(values, 50) == pytest.approx(4e6, rel=0.03)
    assert np.percentile(values, 99) == pytest.approx(40e6, rel=0.05)


def test_a_fixed_latency_is_fixed() -> None:
    draw = sampler(Latency.model_validate("5ms"), 1, "f")

    assert [draw(), draw()] == [5_000_000, 5_000_000]


def test_a_gamma_latency_has_its_mean_and_its_shape() -> None:
    draw = sampler(Latency(gamma="4ms", shape=4), 1, "g")  # type: ignore[arg-type]
    values = np.array([draw() for _ in range(100_000)])

    assert values.mean() == pytest.approx(4e6, rel=0.01)
    # The coefficient of variation is 1 / sqrt(shape).
    assert values.std() / values.mean() == pytest.approx(0.5, rel=0.02)


def test_a_histogram_is_drawn_bar_by_bar() -> None:
    bars = {"10ms": 90, "100ms": 9, "1s": 1}
    draw = sampler(Latency(histogram=bars), 1, "h")  # type: ignore[arg-type]
    values = np.array([draw() for _ in range(100_000)]) / 1e6

    assert np.mean(values <= 10) == pytest.approx(0.9, abs=0.005)
    assert np.mean(values > 100) == pytest.approx(0.01, abs=0.002)
    assert values[values <= 10].mean() == pytest.approx(5, rel=0.02)
    assert values.max() <= 1000

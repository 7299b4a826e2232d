"""The benchmarks measure what they say: same models, same work. No test is about speed."""

from __future__ import annotations

import numpy as np
import pytest

from labs.bench import UnknownBenchmarkError, chain, meshes, mm1, names, run


def test_results_say_what_was_measured_against_what() -> None:
    results = run(["engine.mm1"], rounds=1, scale=0.01)
    (result,) = results

    assert (result.name, result.unit) == ("engine.mm1", "times SimPy")
    assert result.spread.low <= result.value <= result.spread.high
    assert result.ok == (result.value >= result.target)
    assert result.baseline is not None
    assert result.baseline.rate > 0


def test_what_has_no_peer_says_so() -> None:
    (result,) = run(["engine.memory-recorded"], scale=0.01)

    assert (result.unit, result.baseline, result.rate) == ("bytes", None, None)
    assert result.ok == (result.value <= result.target)
    assert (result.spread.low, result.spread.high) == (result.value, result.value)


def test_the_mesh_chain_is_the_chain_with_everything_in_the_way() -> None:
    seen = meshes.chain(400).run()
    pods = {name.rpartition("-")[0] for name in seen.names if name.endswith("-0.default")}

    assert pods == {"client", "a", "b", "c"}
    assert seen.summary.clients[0].figures.success_share == 1
    # Both sidecars of each of three calls, and the retries now and then.
    assert 6 <= len(seen.hops) / len(seen.requests) < 6.5


def test_many_services_are_all_called() -> None:
    seen = meshes.services(20, 1, 300).run()

    assert len(seen.services) == 20
    assert all(client.figures.requests for client in seen.summary.clients)


def test_all_are_measured_unless_some_are_named() -> None:
    assert tuple(result.name for result in run(rounds=1, scale=0.01)) == names()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownBenchmarkError, match=r"engine\.mm2"):
        run(["engine.mm2"])


def test_the_idiomatic_chain_takes_thirty_events_a_request() -> None:
    assert chain.processes(2000) / 2000 == pytest.approx(30, abs=1)


def test_both_chains_take_the_same_time_on_average() -> None:
    ours, theirs = chain.latencies(20_000)

    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.03)
    assert np.percentile(ours, 99) == pytest.approx(np.percentile(theirs, 99), rel=0.08)


def test_the_queue_waits_as_theory_says() -> None:
    queue = mm1.Queue(200_000, seed=5)
    queue.start()
    queue.agenda.drain(10**7)

    # Four standard deviations of the mean of so many correlated waits.
    assert np.mean(queue.waits_ns) / 1e6 == pytest.approx(4.0, abs=0.4)

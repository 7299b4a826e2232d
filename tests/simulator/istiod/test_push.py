"""When istiod pushes: changes at given times against the snapshots and pushes that follow."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.istiod.cost import Cores, push_ns, snapshot_ns
from simulator.istiod.push import Build, Debounce, Push, Pushes, Queue, Request, Tuning, Wake

MS = 1_000_000


def change(revision: int, now: int = 0, *, full: bool = True) -> Request:
    return Request(revision=revision, full=full, changes=(f"r{revision}",), since_ns=now)


def builds(changes_ms: list[int], build_ms: int = 0) -> list[tuple[int, int]]:
    """Play changes at these times; return when each snapshot was begun, and its revision."""
    debounce = Debounce(Tuning())
    agenda = [(at * MS, 0, revision) for revision, at in enumerate(changes_ms)]
    found = []
    while agenda:
        agenda.sort()
        now, what, revision = agenda.pop(0)
        if what == 0:
            commands = debounce.changed(now, change(revision, now))
        else:
            commands = debounce.due(now) if what == 1 else debounce.built(now)
        for command in commands:
            if isinstance(command, Wake):
                agenda.append((command.at_ns, 1, 0))
            else:
                found.append((now // MS, command.request.revision))
                agenda.append((now + build_ms * MS, 2, 0))
    return found


@pytest.mark.parametrize(
    ("changes_ms", "build_ms", "expected"),
    [
        pytest.param([0], 0, [(100, 0)], id="one-change-waits-for-quiet"),
        pytest.param([0, 60], 0, [(160, 1)], id="a-second-change-starts-the-quiet-anew"),
        pytest.param([0, 150], 0, [(100, 0), (250, 1)], id="after-a-push-the-next-waits-again"),
        pytest.param(
            [*range(0, 20_000, 50)],
            0,
            [(10_000, 200), (20_050, 399)],
            id="without-quiet-it-pushes-after-ten-seconds",
        ),
        pytest.param(
            [0, 150], 500, [(100, 0), (600, 1)], id="changes-gather-while-a-snapshot-is-built"
        ),
        pytest.param(
            [0, 590],
            500,
            [(100, 0), (690, 1)],
            id="a-change-just-before-a-snapshot-is-done-waits-for-quiet",
        ),
    ],
)
def test_changes_are_gathered(
    changes_ms: list[int], build_ms: int, expected: list[tuple[int, int]]
) -> None:
    assert builds(changes_ms, build_ms) == expected


@given(
    st.lists(st.integers(0, 30_000), min_size=1, max_size=60).map(sorted),
    st.integers(0, 3_000),
)
def test_every_change_is_pushed_once_and_in_time(changes_ms: list[int], build_ms: int) -> None:
    found = builds(changes_ms, build_ms)
    revisions = [revision for _, revision in found]
    assert revisions == sorted(set(revisions))
    assert revisions[-1] == len(changes_ms) - 1
    assert all(later[0] - earlier[0] >= build_ms for earlier, later in pairwise(found))
    for (_, before), (begun, _) in pairwise([(0, -1), *found]):
        first = changes_ms[before + 1]
        assert first + 100 <= begun <= first + 10_000 + 100 + build_ms


def test_what_is_merged_is_whole_if_one_was() -> None:
    both = change(1, 5, full=False).merged(change(2, 9))
    assert both == Request(revision=2, full=True, changes=("r1", "r2"), since_ns=5)


def test_a_queue_holds_each_proxy_once() -> None:
    queue = Queue()
    for proxy, revision in (("a", 1), ("b", 1), ("a", 2)):
        queue.add(proxy, change(revision))
    first = queue.take()
    assert first is not None
    assert (first[0], first[1].revision) == ("a", 2)
    queue.add("a", change(3))
    assert len(queue) == 1, "what comes while it is pushed to waits for the end of that"
    queue.done("a")
    order = [queue.take(), queue.take(), queue.take()]
    assert [each and (each[0], each[1].revision) for each in order] == [("b", 1), ("a", 3), None]


def test_a_proxy_that_is_gone_is_not_pushed_to() -> None:
    queue = Queue()
    queue.add("a", change(1))
    queue.add("b", change(1))
    queue.take()
    queue.add("a", change(2))
    queue.forget("a")
    queue.forget("b")
    queue.done("a")
    assert queue.take() is None
    assert queue.busy == 0


def test_so_many_proxies_are_pushed_to_at_a_time() -> None:
    pushes = Pushes(Tuning(push_throttle=2))
    first = change(1)
    (wake,) = pushes.changed(0, first)
    (build,) = pushes.due(wake.at_ns) if isinstance(wake, Wake) else ()
    assert build == Build(first)
    begun = pushes.built(101 * MS, first, ("a", "b", "c"))
    assert begun == (Push("a", first), Push("b", first))
    assert pushes.pushed("b") == (Push("c", first),)
    assert pushes.pushed("a") == ()


@pytest.mark.parametrize(
    ("cores", "slots"),
    [
        pytest.param(1, 20, id="one-core"),
        pytest.param(4, 35, id="four-cores"),
        pytest.param(32, 100, id="never-more-than-a-hundred"),
    ],
)
def test_the_throttle_follows_the_cores(cores: int, slots: int) -> None:
    assert Tuning(cores=cores).slots == slots


def test_work_waits_for_a_core() -> None:
    cores = Cores(2)
    assert [cores.end_ns(0, 10), cores.end_ns(0, 30), cores.end_ns(5, 10)] == [10, 30, 20]
    assert cores.end_ns(100, 1) == 101


def test_more_configuration_takes_longer() -> None:
    assert snapshot_ns(10) < snapshot_ns(1_000) < snapshot_ns(10_000)
    assert push_ns(0) < push_ns(100) < push_ns(1_000)

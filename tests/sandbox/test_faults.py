"""A mesh disturbed from outside, and what its clients notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.box import Sandbox
from sandbox.drivers.admin import ask, serves
from sandbox.drivers.choice import named
from sandbox.errors import SandboxError, Unsupported
from simulator.config.scenario import Request
from simulator.istiod.discovery import Sync
from tests.sandbox.meshes import bookshop
from tests.support.eventually import eventually
from tests.support.required import need

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("faults")]
CLIENT, SERVER = "productpage-v1-0.default", "details-v1-0.default"
DETAILS = Request.model_validate({"from": "productpage-v1.default", "url": "http://details:9080/"})
MOVED = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http: [{name: moved, route: [{destination: {host: details}}]}]
"""
IMPATIENT = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: details}
spec:
  host: details
  trafficPolicy: {connectionPool: {tcp: {connectTimeout: 500ms}}}
"""


@pytest.fixture(scope="module", params=["process", "netns", "docker"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    need(request.param, named(request.param).lacking())
    with Sandbox.start(bookshop(IMPATIENT), driver=named(request.param)) as started:
        yield started


@pytest.fixture(scope="module")
def netns() -> Iterator[Sandbox]:
    need("netns", named("netns").lacking())
    with Sandbox.start(bookshop(IMPATIENT), driver=named("netns")) as started:
        yield started


def get(box: Sandbox) -> int | None:
    (seen,) = box.probe([DETAILS])
    return seen.status


def serials(box: Sandbox, pod: str) -> set[str]:
    told = json.loads(ask(box.plan.admin(pod), "/certs")[1])
    return {chain["serial_number"] for each in told["certificates"] for chain in each["cert_chain"]}


def test_certificates_are_rotated_under_load_without_a_failed_request(box: Sandbox) -> None:
    before = serials(box, SERVER)
    with box.under_load(DETAILS, rate=40, seconds=3) as load:
        for _ in range(3):
            box.rotate(bookshop(IMPATIENT))
    after = serials(box, SERVER)

    assert load.ways == {"200": 120}
    assert before.isdisjoint(after)
    box.update(bookshop(IMPATIENT))
    assert serials(box, SERVER) == after


def test_the_control_plane_is_restarted_under_load_without_a_failed_request(box: Sandbox) -> None:
    with box.under_load(DETAILS, rate=40, seconds=3) as load:
        box.faults.cause("stop-control-plane", [])
        assert get(box) == 200
        box.faults.cause("start-control-plane", [])
        eventually(lambda: len(box.status()) == len(box.plan.proxies), "every proxy is back")

    assert load.ways == {"200": 120}


def test_a_proxy_that_is_cut_off_keeps_what_it_has_and_catches_up(box: Sandbox) -> None:
    box.faults.cause("cut", [CLIENT])
    with pytest.raises(SandboxError, match=rf"not acknowledged after 1 s: {CLIENT}"):
        box.update(bookshop(IMPATIENT + "---" + MOVED), timeout_s=1.0)
    (stale,) = box.probe([DETAILS])
    box.faults.cause("mend", [CLIENT])
    eventually(lambda: box.probe([DETAILS])[0].route == "moved", "it has caught up")
    box.update(bookshop(IMPATIENT))

    assert (stale.status, stale.route) == (200, "default")


def test_a_paused_workload_answers_late(box: Sandbox) -> None:
    part = f"workload {SERVER}"
    box.faults.cause("pause", [part])
    with box.under_load(DETAILS, rate=20, seconds=1) as load:
        eventually(lambda: _stopped(box.running.children.pids[part]), "it stands still")
        box.running.hear(0.5)
        box.faults.cause("resume", [part])

    assert load.ways == {"200": 20}
    assert load.percentile_ns(100) > 300_000_000


def _stopped(process: int) -> bool:
    with open(f"/proc/{process}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("driver", ["process", "netns"])
def test_a_killed_envoy_is_missed_until_it_starts_again(driver: str) -> None:
    need(driver, named(driver).lacking())
    with Sandbox.start(bookshop(IMPATIENT), driver=named(driver)) as box:
        box.faults.cause("kill", [f"envoy {SERVER}"])
        eventually(lambda: get(box) == 503, "nothing answers")
        box.faults.cause("start", [f"envoy {SERVER}"])
        eventually(lambda: serves(box.plan.admin(SERVER)), "it serves")
        eventually(lambda: get(box) == 200, "it answers")
        kinds = box.status()[SERVER].values()

    assert {each.sync for each in kinds} == {Sync.SYNCED}


def test_two_pods_that_are_parted_do_not_hear_each_other(netns: Sandbox) -> None:
    before = get(netns)
    netns.faults.cause("partition", [SERVER, CLIENT])
    netns.faults.cause("kill", [f"envoy {CLIENT}"])  # with it go the connections that it had
    netns.faults.cause("start", [f"envoy {CLIENT}"])
    eventually(lambda: serves(netns.plan.admin(CLIENT)), "it serves")
    (parted,) = netns.probe([DETAILS])
    netns.faults.cause("heal", [])

    assert (before, parted.status, parted.response_flags) == (200, 503, ("URX", "UF"))
    assert get(netns) == 200


def test_lost_packets_are_sent_again(netns: Sandbox) -> None:
    netns.faults.cause("lose", [SERVER, "0.3"])
    with netns.under_load(DETAILS, rate=20, seconds=2) as load:
        pass
    netns.faults.cause("heal", [])

    assert set(load.ways) <= {"200", "503"}
    assert load.percentile_ns(100) > 100_000_000


def test_a_slow_network_is_slow_where_the_kernel_can_do_it(netns: Sandbox) -> None:
    try:
        netns.faults.cause("slow", [SERVER, "100"])
    except Unsupported as error:
        assert "sch_netem" in str(error)  # noqa: PT017 - one of two right ends
        return
    (seen,) = netns.probe([DETAILS])
    netns.faults.cause("heal", [])

    assert (seen.duration_ns or 0) > 100_000_000


@pytest.mark.parametrize(
    ("kind", "of", "said"),
    [
        pytest.param("melt", [], "there is kill, start", id="no-such-fault"),
        pytest.param("kill", [], "it takes PART", id="nothing-to-kill"),
        pytest.param("kill", ["envoy nobody"], "there is .*envoy details", id="no-such-part"),
    ],
)
def test_a_fault_that_cannot_be_had_is_named(
    netns: Sandbox, kind: str, of: list[Any], said: str
) -> None:
    with pytest.raises(Unsupported, match=said):
        netns.faults.cause(kind, of)


def test_the_process_driver_has_no_network_of_its_own_to_disturb() -> None:
    with (
        Sandbox.start(bookshop(""), driver=named("process")) as box,
        pytest.raises(Unsupported, match="--driver netns or docker"),
    ):
        box.faults.cause("partition", [SERVER, CLIENT])

"""A run made visible: texts, graphs as data, and figures that say what they show."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from matplotlib.figure import Figure

from simulator.config.scenario import Request
from simulator.scenario import Run, Scenario
from simulator.views import journey, plot, table, topology
from tests.support.mesh import deployment, istio, scenario, service

GATEWAY = "istio-ingressgateway.istio-system"


@pytest.fixture(scope="module")
def shop() -> Scenario:
    """Return web -> gateway -> page -> stars v1 or v2, of which v2 fails now and then."""
    gateway = {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["shop.example"]}
        ],
    }
    rule = {
        "hosts": ["shop.example"],
        "gateways": ["shop"],
        "http": [{"name": "page", "route": [{"destination": {"host": "page"}}]}],
    }
    return scenario(
        service("page"),
        service("stars"),
        deployment("page", "page"),
        deployment("stars-v1", "stars", version="v1"),
        deployment("stars-v2", "stars", version="v2"),
        istio("Gateway", "shop", gateway),
        istio("VirtualService", "shop", rule),
        title="Shop",
        workloads={
            "page": {"calls": [{"url": "http://stars:9080/"}]},
            "stars-v2": {"disturbances": [{"share": 0.5, "status": 500}]},
        },
        clients=[{"name": "web", "url": "http://shop.example/", "rate": 50}],
        duration="5s",
    )


@pytest.fixture(scope="module")
def run(shop: Scenario) -> Run:
    return shop.run()


def test_the_graph_of_a_run_has_what_was_seen(run: Run) -> None:
    graph = topology.seen(run)

    assert {name: data["kind"] for name, data in graph.nodes(data=True)} == {
        "web": "client",
        GATEWAY: "gateway",
        "page.default": "workload",
        "stars-v1.default": "workload",
        "stars-v2.default": "workload",
    }
    assert set(graph.edges) == {
        ("web", GATEWAY),
        (GATEWAY, "page.default"),
        ("page.default", "stars-v1.default"),
        ("page.default", "stars-v2.default"),
    }
    assert graph.nodes["stars-v2.default"]["version"] == "v2"
    assert graph.edges["page.default", "stars-v1.default"]["success_share"] == 1
    assert graph.edges["page.default", "stars-v2.default"]["success_share"] < 0.8


def test_the_graph_of_a_scenario_has_what_is_planned(shop: Scenario, run: Run) -> None:
    planned, seen = topology.planned(shop), topology.seen(run)

    assert set(planned.edges) == set(seen.edges)
    assert topology.elements(planned)["nodes"] == topology.elements(seen)["nodes"]


def test_elements_are_what_the_browser_draws(run: Run) -> None:
    elements = topology.elements(topology.seen(run))
    ids = [node["data"]["id"] for node in elements["nodes"]]

    assert ids == sorted(ids)
    assert all(
        {edge["data"]["source"], edge["data"]["target"]} <= set(ids) for edge in elements["edges"]
    )


def test_layers_go_from_left_to_right(run: Run) -> None:
    assert topology.layers(topology.seen(run)) == {
        "web": 0,
        GATEWAY: 1,
        "page.default": 2,
        "stars-v1.default": 3,
        "stars-v2.default": 3,
    }


def test_the_summary_names_everything(run: Run) -> None:
    text = table.summary(run)

    for word in ("Shop", "seed 1", "web", "stars", "v1", "v2", "stars-v2", "p99 ms"):
        assert word in text
    assert max(len(line) for line in text.splitlines()) <= 110
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_every_request_is_a_row_of_the_csv(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(table.requests_csv(run))))

    assert len(rows) == len(run.requests)
    assert {row["client"] for row in rows} == {"web"}
    assert {row["pod"] for row in rows} == {"page-0.default"}


def test_a_journey_has_a_row_for_each_proxy(shop: Scenario) -> None:
    (seen,) = shop.probe([Request.model_validate({"url": "http://shop.example/"})], explain=True)
    text = journey.hops(seen)

    assert text.count("inbound") >= 2
    assert "gateway" in text
    assert "outbound|9080||stars" in text


def test_reasons_point_at_manifests_and_leave_out_what_lost(shop: Scenario) -> None:
    (seen,) = shop.probe([Request.model_validate({"url": "http://shop.example/"})], explain=True)
    full, short = journey.reasons(seen), journey.reasons(seen, rejected=False)

    assert "✗" in full
    assert "✗" not in short
    assert "✓ route page" in short
    assert ".yaml:1:" in short


def test_reasons_of_an_unexplained_request_are_refused(shop: Scenario) -> None:
    (seen,) = shop.probe([Request.model_validate({"url": "http://shop.example/"})])

    with pytest.raises(ValueError, match="explain=True"):
        journey.reasons(seen)


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend()
    shown: list[Any] = [*axes.texts, *(legend.get_texts() if legend else ())]
    parts = [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
    return " ".join([*parts, *(text.get_text() for text in shown)])


def test_the_topology_shows_names_rates_and_shares(shop: Scenario, run: Run) -> None:
    drawn, planned = texts(plot.topology(run)), texts(plot.topology(shop))

    for word in ("Shop", "web", "stars-v2", "/s", "%"):
        assert word in drawn
    assert "/s" not in planned


def test_the_latency_figure_has_units_and_clients(run: Run) -> None:
    drawn = texts(plot.latency(run))

    for word in ("latency in ms", "percentile", "web"):
        assert word in drawn


def test_the_shares_figure_names_the_versions(run: Run) -> None:
    drawn = texts(plot.shares(run, "stars.default.svc.cluster.local"))

    for word in ("v1", "v2", "simulated time in s", "share of requests"):
        assert word in drawn


def test_shares_of_an_unknown_service_are_refused(run: Run) -> None:
    with pytest.raises(KeyError):
        plot.shares(run, "nobody")

import { expect, it } from "vitest";
import type { TopologyEdge } from "../api/types";
import { fails, label, nodeLabel, places, roomier, versions, width } from "./map";

const node = (id: string, layer: number, version = "") => ({ id, label: id, kind: "workload", version, layer });
const edge = (rate: number, success_share: number | null): TopologyEdge => ({
  id: "e", source: "a", target: "b", services: [], requests: 1, rate, success_share, p50_ns: 1, p99_ns: 1,
});

it("goes from left to right, each column around one axis", () => {
  const found = places([node("a", 0), node("b", 1), node("c", 1)], false);
  expect(found.a!.x).toBeLessThan(found.b!.x);
  expect(found.b!.x).toBe(found.c!.x);
  expect(found.b!.y + found.c!.y).toBe(2 * found.a!.y);
});

it("goes down where there is no room", () => {
  const found = places([node("a", 0), node("b", 1)], true);
  expect(found.a!.y).toBeLessThan(found.b!.y);
});

it("shows a thin line for a canary", () => {
  expect(width(edge(1, 1), 100)).toBeGreaterThan(2);
  expect(width(edge(100, 1), 100)).toBeGreaterThan(width(edge(1, 1), 100));
  expect(width(edge(0, 1), 0)).toBe(1.5);
});

it("says what fails", () => {
  expect(fails(edge(1, 1))).toBe(false);
  expect(fails(edge(1, null))).toBe(false);
  expect(label(edge(22.35, 0.965))).toBe("22.4/s\n3.5% fail");
});

it.each([
  ["reviews-v3", "reviews\nv3"],
  ["istio-ingressgateway.istio-system", "ingress\ngateway"],
  ["readers", "readers"],
])("calls %s", (name, want) => expect(nodeLabel(node(name, 0))).toBe(want));

it("writes where edges do not meet", () => {
  const to = (source: string, target: string) => ({ ...edge(1, 1), source, target });
  const edges = [to("a", "b"), to("a", "c"), to("b", "d"), to("c", "d")];
  expect(edges.map((each) => roomier(each, edges))).toEqual(["target", "target", "source", "source"]);
});

it("sorts versions", () => expect(versions([node("b", 0, "v2"), node("a", 0, "v1"), node("c", 0)])).toEqual(["v1", "v2"]));

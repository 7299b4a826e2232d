import { expect, it } from "vitest";
import type { Series } from "../api/types";
import { foremost, millis, smooth } from "./series";
import { duration, percent, rate, short } from "./units";

it("weighs each second by its requests", () => expect(smooth([1, 0, null], [3, 1, 0], 2)).toEqual([1, 0.75, 0]));
it("has nothing where nothing was sent", () => expect(smooth([null], [0], 5)).toEqual([null]));
it("turns nanoseconds into milliseconds", () => expect(millis([2_500_000, null])).toEqual([2.5, null]));

it("begins with the service of most versions, else with a client", () => {
  const one = (kind: Series["kind"], name: string, count: number) =>
    ({ kind, name, shares: Object.fromEntries(Array.from({ length: count }, (_, at) => [`v${at}`, []])) }) as unknown as Series;
  expect(foremost([one("client", "c", 3), one("service", "s", 2)])?.name).toBe("s");
  expect(foremost([one("service", "s", 1), one("client", "c", 1)])?.name).toBe("c");
  expect(foremost([])).toBeUndefined();
});

it.each([
  [rate(18.566), "18.6/s"],
  [rate(1.9), "1.90/s"],
  [percent(0.9649), "96.5%"],
  [percent(1), "100%"],
  [percent(null), "–"],
  [duration(1_234_000_000), "1.23 s"],
  [duration(null), "–"],
  [short("reviews.default.svc.cluster.local"), "reviews"],
  [short("istio-ingressgateway.istio-system"), "istio-ingressgateway"],
  [short("a.other.svc.cluster.local"), "a.other"],
])("writes %s", (got, want) => expect(got).toBe(want));

import { expect, it } from "vitest";
import type { Reason } from "../api/types";
import { headerText, parseHeaders } from "./headers";
import { concerns, flag, opens, parsePlace } from "./reasons";

const reason = (what: string, source: string | null, children: Reason[] = []): Reason => ({
  what, name: "", outcome: "note", reason: "", source, children,
});
const own = new Set(["reviews.yaml"]);

it("reads a place", () => {
  expect(parsePlace("dir/reviews.yaml:9:7")).toEqual({ file: "dir/reviews.yaml", line: 9, column: 7 });
  expect(parsePlace("nowhere")).toBeNull();
});

it("opens the proxies that the learner's files decide about", () => {
  const mine = reason("proxy", null, [reason("route", "reviews.yaml:9:7")]);
  const other = reason("proxy", null, [reason("route", "app.yaml:1:1")]);
  expect(concerns(mine, own)).toBe(true);
  expect(opens(mine, own, 1, 3)).toBe(true);
  expect(opens(other, own, 1, 3)).toBe(false);
  expect(opens(other, own, 1, 0)).toBe(true);
});

it("explains Envoy's flags", () => {
  expect(flag("UT")).toBe("the time-out ran out");
  expect(flag("XX")).toContain("documentation");
});

it("reads and writes headers", () => {
  expect(parseHeaders("end-user: jason\n\n:authority: a:80\nbroken")).toEqual({ "end-user": "jason", ":authority": "a:80" });
  expect(headerText({ a: "1", b: ["2", "3"] })).toBe("a: 1\nb: 2\nb: 3");
});

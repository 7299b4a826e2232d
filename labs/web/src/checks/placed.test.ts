import { expect, it } from "vitest";
import { split } from "./placed";

it("cuts at places in known files", () =>
  expect(split("caught at reviews.yaml:9: see http://reviews:9080/ or a.yaml:1:2.", ["reviews.yaml"])).toEqual([
    "caught at ",
    { file: "reviews.yaml", line: 9, column: 1 },
    ": see http://reviews:9080/ or a.yaml:1:2.",
  ]));

import { expect, it } from "vitest";
import type { Attempt, Outcome } from "../api/types";
import { passRates } from "./passRates";

const attempt = (a: Outcome) => ({ verdicts: { a } }) as unknown as Attempt;

it("counts the decided attempts only", () => {
  const attempts = (["passed", "failed", "undecided", "not_run", "passed"] as const).map(attempt);
  expect(passRates([["a", ""], ["b", ""]], attempts)).toEqual([
    { id: "a", passed: 2, of: 3, share: 2 / 3 },
    { id: "b", passed: 0, of: 0, share: 0 },
  ]);
});

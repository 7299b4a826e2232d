import { Text } from "@codemirror/state";
import { expect, it } from "vitest";
import type { Diagnostic, Level } from "../api/types";
import { lints, range, serious } from "./findings";

const doc = Text.of(["spec:", "  hosst: [a]  ", ""]);
const finding = (level: Level, file: string, line: number, code = "unknown-field"): Diagnostic => ({
  code, level, message: "m", hint: "h", position: { file, line, column: 3 }, resource: "", field: "",
});

it.each([
  [{ file: "f", line: 2, column: 3 }, "hosst: [a]"],
  [{ file: "f", line: 2, column: 99 }, "  hosst: [a]  "],
  [{ file: "f", line: 99, column: 1 }, ""],
  [{ file: "f", line: 0, column: 1 }, "spec:"],
])("marks %j", (position, want) => {
  const { from, to } = range(doc, position);
  expect(doc.sliceString(from, to)).toBe(want);
});

it("marks a file's own findings", () => {
  const found = lints(doc, "a.yaml", [finding("error", "a.yaml", 2), finding("error", "b.yaml", 1)]);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ severity: "error", message: "m\nTry: h" });
});

it("puts errors first and leaves notes about the simulator out", () => {
  const all = [finding("info", "a", 1, "not-simulated"), finding("warning", "a", 1), finding("error", "a", 2)];
  expect(serious(all).map((each) => each.level)).toEqual(["error", "warning"]);
});

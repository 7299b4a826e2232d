/** Diagnostics as the editor wants them. */
import type { Text } from "@codemirror/state";
import type { Diagnostic as Lint } from "@codemirror/lint";
import type { Diagnostic, Level, Position } from "../api/types";

const RANK: Record<Level, number> = { error: 0, warning: 1, info: 2 };

/** What a learner should look at, the worst first; notes about the simulator are left out. */
export function serious(diagnostics: Diagnostic[]): Diagnostic[] {
  return diagnostics
    .filter((each) => each.code !== "not-simulated")
    .sort((one, other) => RANK[one.level] - RANK[other.level]);
}

/** The text behind a position: from its column to the end of what stands there. */
export function range(doc: Text, position: Position): { from: number; to: number } {
  const line = doc.line(Math.min(Math.max(position.line, 1), doc.lines));
  const from = Math.min(line.from + Math.max(position.column - 1, 0), line.to);
  const to = line.from + line.text.trimEnd().length;
  return to > from ? { from, to } : { from: line.from, to: line.to };
}

export function lints(doc: Text, file: string, diagnostics: Diagnostic[]): Lint[] {
  return diagnostics
    .filter((each) => each.position?.file === file)
    .map((each) => ({
      ...range(doc, each.position!),
      severity: each.level,
      source: each.code,
      message: each.hint ? `${each.message}\nTry: ${each.hint}` : each.message,
    }));
}

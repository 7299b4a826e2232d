import type { Position } from "../api/types";

/** Cut a text at the places (`file:line`, perhaps with a column) in these files. */
export function split(text: string, files: string[]): (string | Position)[] {
  const found: (string | Position)[] = [];
  let from = 0;
  for (const match of text.matchAll(/([\w./-]+):(\d+)(?::(\d+))?/g)) {
    const [whole, file = "", line, column] = match;
    if (!files.includes(file)) continue;
    found.push(text.slice(from, match.index), { file, line: Number(line), column: Number(column ?? 1) });
    from = match.index + whole.length;
  }
  return [...found, text.slice(from)];
}

import { expect, it } from "vitest";
import { begin, edit, saved, take, texts, unsaved } from "./work";

const files = begin([
  { name: "mine.yaml", text: "a", start: "a", revision: 3, editable: true },
  { name: "given.yaml", text: "g", start: "g", revision: 0, editable: false },
]);

it("has nothing to save at first", () => expect(unsaved(files)).toEqual([]));

it("saves what was typed, and nothing that is given", () => {
  const typed = edit(files, "mine.yaml", "b");
  expect(unsaved(typed).map((file) => file.name)).toEqual(["mine.yaml"]);
  expect(texts(typed)).toEqual({ "mine.yaml": "b" });
});

it("is still unsaved when typing went on during a save", () => {
  const typed = edit(edit(files, "mine.yaml", "b"), "mine.yaml", "bc");
  const after = saved(typed, "mine.yaml", "b", 4);
  expect(unsaved(after)[0]).toMatchObject({ text: "bc", revision: 4 });
});

it("takes another window's text", () => {
  const taken = take(edit(files, "mine.yaml", "b"), "mine.yaml", "theirs", 9);
  expect(unsaved(taken)).toEqual([]);
  expect(taken["mine.yaml"]).toMatchObject({ text: "theirs", revision: 9 });
});

it("stays the same when nothing changed", () => expect(edit(files, "mine.yaml", "a")).toBe(files));

import { expect, it } from "vitest";
import { parse } from "./route";

it.each([
  ["/", { page: "labs" }],
  ["/labs/canary-release", { page: "lab", id: "canary-release" }],
  ["/labs/a%20b/", { page: "lab", id: "a b" }],
  ["/instructor", { page: "instructor" }],
  ["/labs", { page: "unknown" }],
  ["/labs/a/b", { page: "unknown" }],
])("reads %s", (path, want) => expect(parse(path)).toEqual(want));

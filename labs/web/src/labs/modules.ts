import type { LabCard } from "../api/types";

/** Labs by module, both in the order in which they come. */
export function byModule(labs: LabCard[]): [string, LabCard[]][] {
  const found = new Map<string, LabCard[]>();
  for (const lab of labs) found.set(lab.module, [...(found.get(lab.module) ?? []), lab]);
  return [...found];
}

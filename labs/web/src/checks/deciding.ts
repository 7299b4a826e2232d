import type { Check, MeshRequest, Verdict } from "../api/types";

/** The request that decided a verdict, or the check's first. */
export function deciding(check: Check, verdict: Verdict): MeshRequest | null {
  const id = verdict.observation?.id;
  const found = check.requests.find((each) => each.id === id) ?? check.requests[0];
  return found?.request ?? null;
}

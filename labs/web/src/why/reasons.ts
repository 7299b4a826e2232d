/** Reading a tree of reasons. */
import type { Position, Reason } from "../api/types";

/** `file:line:column` as a place. */
export function parsePlace(source: string): Position | null {
  const found = /^(.+):(\d+):(\d+)$/.exec(source);
  return found ? { file: found[1]!, line: Number(found[2]), column: Number(found[3]) } : null;
}

/** Whether some reason in a tree lies in one of these files. */
export function concerns(reason: Reason, files: Set<string>): boolean {
  const place = reason.source ? parsePlace(reason.source) : null;
  return (place !== null && files.has(place.file)) || reason.children.some((child) => concerns(child, files));
}

/** Whether a node is open at first: what the learner's files decide about, and the first proxy. */
export function opens(reason: Reason, files: Set<string>, depth: number, at: number): boolean {
  if (depth === 0) return true;
  if (reason.what === "proxy") return at === 0 || concerns(reason, files);
  if (reason.what === "listener") return false;
  return depth < 7;
}

const FLAGS: Record<string, string> = {
  DC: "the client went away",
  DI: "a delay was injected",
  FI: "a fault was injected",
  NC: "the route leads to a cluster that does not exist",
  NR: "no route matched",
  UAEX: "an external authorizer said no",
  UC: "the connection to the upstream was closed",
  UF: "no connection to the upstream",
  UH: "no healthy endpoint",
  UO: "a circuit breaker was open",
  UPE: "the upstream broke the protocol",
  UR: "the upstream reset the request",
  URX: "the retries were used up",
  UT: "the time-out ran out",
};

/** What a flag of Envoy's means. */
export function flag(name: string): string {
  return FLAGS[name] ?? "see Envoy's access log documentation";
}

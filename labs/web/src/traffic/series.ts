/** Courses made ready for charts. */
import type { Series } from "../api/types";

export type Values = (number | null)[];

/** Mean over windows of `width` seconds, weighted by the requests in each second. */
export function smooth(values: Values, weights: number[], width: number): Values {
  return values.map((_, at) => {
    let sum = 0;
    let total = 0;
    for (let near = Math.max(0, at - width + 1); near <= at; near++) {
      const value = values[near];
      const weight = weights[near] ?? 0;
      if (value === null || value === undefined) continue;
      sum += value * weight;
      total += weight;
    }
    return total > 0 ? sum / total : null;
  });
}

/** Milliseconds, for an axis. */
export function millis(values: Values): Values {
  return values.map((value) => (value === null ? null : value / 1e6));
}

/** The course worth looking at first: the service with most versions, else what clients see. */
export function foremost(series: Series[]): Series | undefined {
  const versions = (one: Series) => (one.kind === "service" ? Object.keys(one.shares).length : 1.5);
  return [...series].sort((one, other) => versions(other) - versions(one))[0];
}

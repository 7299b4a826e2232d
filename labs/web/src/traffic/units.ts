/** Numbers as people read them. */

export function rate(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)}/s`;
}

export function percent(share: number | null, digits = 1): string {
  if (share === null) return "–";
  const value = 100 * share;
  return `${Number.isInteger(value) ? value : value.toFixed(digits)}%`;
}

export function duration(ns: number | null | undefined): string {
  if (ns === null || ns === undefined) return "–";
  const ms = ns / 1e6;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

/** A service's host without what is the same for all of its namespace. */
export function short(host: string): string {
  return host
    .replace(/^(istio-\w+gateway)(-\d+)?\.istio-system$/, "$1")
    .replace(/\.default(\.svc\.cluster\.local)?$/, "").replace(/\.svc\.cluster\.local$/, "");
}

import { Fragment } from "react";
import type { Observation } from "../api/types";
import { Icon } from "../shell/Icon";
import { duration, short } from "../traffic/units";
import { flag } from "./reasons";

/** What came of a request, in one look. */
export function Journey({ observation: seen }: { observation: Observation }) {
  const good = seen.status !== null && seen.status !== undefined && seen.status < 500;
  const workload = seen.upstream?.workload;
  const stations = seen.hops
    .filter((hop) => hop.direction !== "inbound" && hop.upstream?.workload)
    .map((hop) => ({ from: short(hop.proxy.replace(/-\d+\./, ".")), to: short(hop.upstream!.workload!), attempts: hop.attempts ?? 1 }));
  return (
    <div className="journey" data-good={good} role="status">
      <p className="journey-status">
        <strong>{seen.status ?? "No answer"}</strong>
        <span>
          {seen.error ?? (workload ? `answered by ${short(workload)}` : "answered by the first proxy")} in {duration(seen.duration_ns)}
          {(seen.attempts ?? 0) > 1 && `, after ${seen.attempts} tries`}
        </span>
      </p>
      {seen.response_flags.length > 0 && (
        <ul className="flags">
          {seen.response_flags.map((name) => (
            <li key={name}>
              <code>{name}</code> {flag(name)}
            </li>
          ))}
        </ul>
      )}
      {stations.length > 1 && (
        <ul className="stations" aria-label="Calls on the way">
          {stations.map((station, at) => (
            <li key={at}>
              {station.from} <Icon name="arrow" /> <Fragment>{station.to}</Fragment>
              {station.attempts > 1 && <small> {station.attempts} tries</small>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

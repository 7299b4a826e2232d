import { useId, useMemo, useState } from "react";
import type { Series } from "../api/types";
import { Empty, Loading } from "../shell/Notices";
import { Chart } from "./Chart";
import { foremost, millis, smooth } from "./series";
import type { SimulationState } from "./Traffic";
import { short } from "./units";

const WINDOW_S = 5;
const asPercent = (value: number) => `${Math.round(100 * value)}%`;
const asMillis = (value: number) => `${value} ms`;

/** How rates, shares and latencies went, second by second. */
export function Courses({ simulation }: { simulation: SimulationState }) {
  const [name, setName] = useState<string | null>(null);
  const label = useId();
  const run = simulation.value?.simulation;
  if (!run) {
    return simulation.busy ? (
      <Loading what="Simulating a minute of visits" />
    ) : (
      <Empty title="There is nothing to draw yet">Once your files can be run, the charts appear here.</Empty>
    );
  }
  const shown = run.series.find((one) => one.name === name) ?? foremost(run.series)!;
  return (
    <div className="courses">
      <div className="pane-head">
        <label htmlFor={label}>Show</label>
        <select id={label} value={shown.name} onChange={(event) => setName(event.target.value)}>
          {(["service", "client"] as const).map((kind) => (
            <optgroup key={kind} label={kind === "service" ? "Services" : "Clients"}>
              {run.series
                .filter((one) => one.kind === kind)
                .map((one) => (
                  <option key={one.name} value={one.name}>
                    {short(one.name)}
                  </option>
                ))}
            </optgroup>
          ))}
        </select>
      </div>
      <Charts of={shown} />
    </div>
  );
}

function Charts({ of }: { of: Series }) {
  const lines = useMemo(
    () => ({
      shares: Object.entries(of.shares).map(([label, values]) => ({ label, values: smooth(values, of.rate, WINDOW_S) })),
      latency: [
        { label: "p50", values: millis(of.p50_ns) },
        { label: "p99", values: millis(of.p99_ns) },
      ],
      success: [{ label: "success", values: smooth(of.success_share, of.rate, WINDOW_S) }],
      rate: [{ label: "rate", values: of.rate }],
    }),
    [of],
  );
  const mean = `mean of ${WINDOW_S} s`;
  return (
    <>
      <Chart title="Share of requests by version" note={mean} lines={lines.shares} format={asPercent} max={1} />
      <Chart title="Latency" note="of each second's requests" lines={lines.latency} format={asMillis} />
      <Chart title="Answered well" note={mean} lines={lines.success} format={asPercent} max={1} />
      <Chart title="Requests a second" lines={lines.rate} format={String} />
    </>
  );
}

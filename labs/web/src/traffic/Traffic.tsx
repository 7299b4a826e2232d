import type { Position } from "../api/types";
import { Problems } from "../editor/Problems";
import { Icon } from "../shell/Icon";
import { Empty, Loading, Trouble } from "../shell/Notices";
import type { useSimulation } from "../workbench/useRuns";
import { Topology } from "./Topology";
import { TrafficTable } from "./TrafficTable";
import { count, duration, percent } from "./units";

export type SimulationState = ReturnType<typeof useSimulation>;

export function Traffic({ simulation, jump }: { simulation: SimulationState; jump: (position: Position) => void }) {
  const { busy, value, failure, stale, start } = simulation;
  const run = value?.simulation;
  return (
    <div className="traffic" data-stale={busy || stale}>
      <div className="pane-head">
        <p>
          {run
            ? `${run.summary.duration_ns / 1e9} s of simulated visits, seed ${run.seed}`
            : "Simulated visits to the shop"}
        </p>
        <button className="button small" onClick={() => void start()} disabled={busy}>
          {busy ? <span className="spinner" aria-hidden="true" /> : <Icon name="play" />}
          {busy ? "Running" : "Run again"}
        </button>
      </div>
      {failure && <Trouble failure={failure} retry={() => void start()} />}
      {!value && busy && <Loading what="Simulating a minute of visits" />}
      {value?.refused && (
        <>
          <Empty title={value.refused.message}>Correct what is found below; the traffic starts again by itself.</Empty>
          <Problems diagnostics={value.refused.diagnostics.filter((each) => each.level === "error")} jump={jump} />
        </>
      )}
      {run && (
        <>
          <Topology simulation={run} />
          <p className="legend-note">Wider lines carry more requests. Dashed lines: some of them fail.</p>
          <ul className="tiles" aria-label="What clients see">
            {run.summary.clients.map((client) => (
              <li key={client.name}>
                <span className="tile-name">{client.name}</span>
                <span className="figure">
                  {percent(client.figures.success_share)}
                  <small> answered well</small>
                </span>
                <span className="tile-more">
                  p50 {duration(client.figures.p50_ns)} · p99 {duration(client.figures.p99_ns)} ·{" "}
                  {count(client.figures.requests)} requests
                </span>
              </li>
            ))}
          </ul>
          <TrafficTable edges={run.edges} />
        </>
      )}
    </div>
  );
}

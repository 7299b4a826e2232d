import type { Lab, MeshRequest, Observation, Position, Report } from "../api/types";
import { Empty, Loading, Trouble } from "../shell/Notices";
import type { Running } from "../workbench/useRuns";
import { CheckItem } from "./CheckItem";
import { closing } from "./closing";

interface Props {
  lab: Lab;
  checking: Running<Report> & { stale: boolean };
  ask: (request: MeshRequest, situation: string, known?: Observation) => void;
  start: () => void;
  jump: (position: Position) => void;
}

export function Checks({ lab, checking, ask, start, jump }: Props) {
  const { busy, value: report, failure } = checking;
  return (
    <div className="checks">
      {failure && <Trouble failure={failure} retry={start} />}
      {busy && <Loading what="Sending requests through the simulated mesh" />}
      {!report && !busy && !failure && (
        <Empty title="Nothing has been checked yet">
          Press <em>Check my work</em>, or <kbd>Ctrl</kbd> <kbd>Enter</kbd>. You may check as often as you like.
        </Empty>
      )}
      {report && !busy && (
        <div className="result" data-outcome={report.outcome} role="status">
          <p className="result-score">
            <strong>{report.score}</strong> of {report.score_max} points
          </p>
          <div className="meter" role="presentation">
            <span style={{ width: `${(100 * report.score) / report.score_max}%` }} />
          </div>
          <p>{closing(report)}</p>
          {checking.stale && <p className="stale">You have changed your files since.</p>}
        </div>
      )}
      <ol>
        {lab.checks.map((check) => (
          <CheckItem
            key={check.id}
            lab={lab}
            check={check}
            verdict={busy ? null : (report?.verdicts.find((each) => each.check === check.id) ?? null)}
            ask={ask}
            jump={jump}
          />
        ))}
      </ol>
    </div>
  );
}

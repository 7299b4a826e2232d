import type { Lab, Report } from "../api/types";
import { Icon } from "../shell/Icon";
import type { Running } from "./useRuns";
import type { Work } from "./useWork";

interface Props {
  lab: Lab;
  work: Work;
  checking: Running<Report>;
  startCheck: () => void;
}

const SAYS = { saved: "All changes saved", saving: "Saving", failed: "Not saved" };

export function Bar({ lab, work, checking, startCheck }: Props) {
  const report = checking.value;
  return (
    <div className="bar">
      <div className="bar-title">
        <span className="eyebrow">{lab.module}</span>
        <h1>{lab.title}</h1>
      </div>
      <span className="save-state" data-state={work.state} role="status" title={work.failure?.hint}>
        {SAYS[work.state]}
      </span>
      {report && (
        <span className="score" aria-label={`${report.score} of ${report.score_max} points`}>
          <strong>{report.score}</strong>
          <span>/ {report.score_max}</span>
        </span>
      )}
      <button className="button primary" onClick={startCheck} disabled={checking.busy} title="Ctrl+Enter">
        {checking.busy ? <span className="spinner" aria-hidden="true" /> : <Icon name="check" />}
        {checking.busy ? "Checking" : "Check my work"}
      </button>
    </div>
  );
}

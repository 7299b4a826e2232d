import { useId } from "react";
import type { Check, Lab, MeshRequest, Observation, Position, Verdict } from "../api/types";
import { Icon } from "../shell/Icon";
import { CodeText } from "./CodeText";
import { PlacedText } from "./PlacedText";
import { deciding } from "./deciding";
import { Hints } from "./Hints";
import { Mark } from "./Mark";
import { words } from "./outcomes";

interface Props {
  lab: Lab;
  check: Check;
  verdict: Verdict | null;
  ask: (request: MeshRequest, situation: string, known?: Observation) => void;
  jump: (position: Position) => void;
}

export function CheckItem({ lab, check, verdict, ask, jump }: Props) {
  const label = useId();
  const open = verdict && verdict.outcome !== "passed";
  const request = verdict && open ? deciding(check, verdict) : null;
  return (
    <li className="check" data-outcome={verdict?.outcome ?? "none"} data-check={check.id} aria-labelledby={label}>
      <Mark outcome={verdict?.outcome ?? null} />
      <div className="check-body">
        <p className="check-says" id={label}>
          <CodeText text={check.says} />
        </p>
        <p className="check-meta">
          {verdict && <span className="verdict">{words[verdict.outcome]}</span>}
          <span>
            {verdict ? `${verdict.points} of ${check.points}` : check.points} {check.points === 1 ? "point" : "points"}
          </span>
          {check.situation && <span>when {lab.situations[check.situation]}</span>}
        </p>
        {open && (
          <p className="reason">
            <PlacedText text={verdict.reason} files={lab.files.map((file) => file.name)} jump={jump} />
          </p>
        )}
        {open && (
          <div className="check-actions">
            {request && (
              <button
                className="button small"
                onClick={() => ask(request, check.situation, verdict.observation ?? undefined)}
              >
                <Icon name="question" /> Why?
              </button>
            )}
            {verdict.outcome === "failed" && check.hints > 0 && <Hints lab={lab.id} check={check.id} levels={check.hints} />}
          </div>
        )}
      </div>
    </li>
  );
}

import { useState } from "react";
import type { Position, Reason } from "../api/types";
import { CodeText } from "../checks/CodeText";
import { Place } from "../editor/Problems";
import { Icon } from "../shell/Icon";
import { opens, parsePlace } from "./reasons";

interface Props {
  root: Reason;
  own: Set<string>;
  jump: (position: Position) => void;
}

/** Hops and decisions; every node leads to the line behind it. */
export function ReasonTree({ root, own, jump }: Props) {
  return (
    <ul className="tree" aria-label="Decisions">
      {root.children.map((child, at) => (
        <Node key={at} reason={child} own={own} jump={jump} depth={1} at={at} />
      ))}
    </ul>
  );
}

interface NodeProps extends Omit<Props, "root"> {
  reason: Reason;
  depth: number;
  at: number;
}

function Node({ reason, own, jump, depth, at }: NodeProps) {
  const [open, setOpen] = useState(() => opens(reason, own, depth, at));
  const many = reason.children.length > 0;
  const place = reason.source ? parsePlace(reason.source) : null;
  return (
    <li data-outcome={reason.outcome} data-what={reason.what} data-own={place !== null && own.has(place.file)}>
      <div className="node">
        {many ? (
          <button className="twist" aria-expanded={open} aria-label={`${reason.what} ${reason.name}`} onClick={() => setOpen(!open)}>
            <Icon name="chevron" />
          </button>
        ) : (
          <span className="twist" aria-hidden="true" />
        )}
        <div className="node-text">
          <span className="node-what">
            {reason.what}
            {reason.outcome !== "note" && <em>{reason.outcome === "chosen" ? "chosen" : "passed over"}</em>}
          </span>{" "}
          <span className="node-name">{reason.name}</span>
          <p>
            <CodeText text={reason.reason} />
          </p>
        </div>
        {place && <Place position={place} jump={jump} />}
      </div>
      {many && open && (
        <ul>
          {reason.children.map((child, index) => (
            <Node key={index} reason={child} own={own} jump={jump} depth={depth + 1} at={index} />
          ))}
        </ul>
      )}
    </li>
  );
}

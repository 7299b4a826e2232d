import type { Diagnostic, Position } from "../api/types";
import { Icon } from "../shell/Icon";
import { CodeText } from "../checks/CodeText";

export function Problems({ diagnostics, jump }: { diagnostics: Diagnostic[]; jump: (position: Position) => void }) {
  if (!diagnostics.length) {
    return (
      <p className="no-problems" role="status">
        <Icon name="check" /> No findings in your files
      </p>
    );
  }
  return (
    <div className="problems" role="region" aria-label="Findings" tabIndex={0}>
      <ul>
        {diagnostics.map((each, at) => (
          <li key={at} data-level={each.level}>
            <span className="level">{each.level}</span>
            <div>
              <p>
                <CodeText text={each.message} />
              </p>
              {each.hint && (
                <p className="hint">
                  Try: <CodeText text={each.hint} />
                </p>
              )}
            </div>
            <span className="problem-place">
              {each.position && <Place position={each.position} jump={jump} />}
              <code>{each.code}</code>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Place({ position, jump }: { position: Position; jump: (position: Position) => void }) {
  return (
    <button className="place" onClick={() => jump(position)}>
      {position.file}:{position.line}
    </button>
  );
}

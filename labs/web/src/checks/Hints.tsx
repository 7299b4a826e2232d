import { useState } from "react";
import { asFailure, readHint, type Failure } from "../api/client";
import { Icon } from "../shell/Icon";
import { Trouble } from "../shell/Notices";

interface Props {
  lab: string;
  check: string;
  levels: number;
}

/** Hints, revealed one by one: a nudge first, nearly the answer last. */
export function Hints({ lab, check, levels }: Props) {
  const [shown, setShown] = useState<string[]>([]);
  const [failure, setFailure] = useState<Failure | null>(null);
  const more = async () => {
    try {
      const { html } = await readHint(lab, check, shown.length + 1);
      setShown([...shown, html]);
      setFailure(null);
    } catch (error) {
      setFailure(asFailure(error));
    }
  };
  return (
    <>
      {shown.length < levels && (
        <button className="button small" onClick={() => void more()}>
          <Icon name="bulb" /> {shown.length ? `Next hint (${shown.length + 1} of ${levels})` : "Hint"}
        </button>
      )}
      {failure && <Trouble failure={failure} />}
      {shown.length > 0 && (
        <ol className="hints" aria-live="polite">
          {shown.map((html, at) => (
            <li key={at}>
              <span className="hint-level">
                Hint {at + 1} of {levels}
              </span>
              <div className="markdown" dangerouslySetInnerHTML={{ __html: html }} />
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

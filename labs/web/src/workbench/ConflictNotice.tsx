import type { Conflict } from "./useWork";

export function ConflictNotice({ conflict, resolve }: { conflict: Conflict; resolve: (mine: boolean) => void }) {
  return (
    <div className="trouble conflict" role="alert">
      <p>
        <strong>{conflict.file} was changed in another window.</strong> Which version do you want to keep?
      </p>
      <button className="button" onClick={() => resolve(true)}>
        Keep this one
      </button>
      <button className="button" onClick={() => resolve(false)}>
        Take the other
      </button>
    </div>
  );
}

import type { ReactNode } from "react";
import type { Failure } from "../api/client";

export function Loading({ what }: { what: string }) {
  return (
    <div className="loading" role="status">
      <span className="spinner" aria-hidden="true" />
      {what}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children && <div className="empty-text">{children}</div>}
    </div>
  );
}

export function Trouble({ failure, retry }: { failure: Failure; retry?: () => void }) {
  return (
    <div className="trouble" role="alert">
      <p>
        <strong>{failure.message}</strong>
      </p>
      {failure.hint && <p>{failure.hint}</p>}
      {retry && (
        <button className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

import { useCallback, useEffect, useState } from "react";
import { asFailure, type Failure } from "../api/client";

export type Loaded<T> = { value: T | null; failure: Failure | null; reload: () => void };

/** Load something once, and again when asked to. */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [time, setTime] = useState(0);
  useEffect(() => {
    let current = true;
    setFailure(null);
    load()
      .then((found) => current && setValue(found))
      .catch((error: unknown) => current && setFailure(asFailure(error)));
    return () => {
      current = false;
    };
    // `load` is a new function each time it is rendered; the page's key says when it changes.
  }, [time]);
  return { value, failure, reload: useCallback(() => setTime((before) => before + 1), []) };
}

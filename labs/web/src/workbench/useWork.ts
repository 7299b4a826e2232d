import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { asFailure, saveFile, type Failure, type Texts } from "../api/client";
import type { Lab } from "../api/types";
import { begin, edit, saved, take, texts, unsaved, type Files } from "./work";

const PAUSE_MS = 350;

export interface Conflict {
  file: string;
  text: string;
  revision: number;
}

/** Keep the learner's files: saved on every pause of typing, one save at a time. */
export function useWork(lab: Lab) {
  const [files, setFiles] = useState<Files>(() => begin(lab.files));
  const [failure, setFailure] = useState<Failure | null>(null);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const [busy, setBusy] = useState(false);
  const latest = useRef(files);
  latest.current = files;

  const flush = useCallback(async () => {
    setBusy(true);
    try {
      for (const file of unsaved(latest.current)) {
        const { revision } = await saveFile(lab.id, file.name, file.text, file.revision);
        setFiles((now) => saved(now, file.name, file.text, revision));
      }
      setFailure(null);
    } catch (error) {
      const found = asFailure(error);
      const file = unsaved(latest.current)[0];
      if (found.status === 409 && file) {
        setConflict({ file: file.name, text: String(found.more.text), revision: Number(found.more.revision) });
      } else setFailure(found);
    } finally {
      setBusy(false);
    }
  }, [lab.id]);

  const dirty = unsaved(files).length > 0;
  // One value as long as the texts are the same, so that a save starts nothing anew.
  const key = JSON.stringify(texts(files));
  const current = useMemo(() => JSON.parse(key) as Texts, [key]);
  useEffect(() => {
    if (!dirty || busy || conflict) return;
    const timer = setTimeout(() => void flush(), failure ? 3000 : PAUSE_MS);
    return () => clearTimeout(timer);
  }, [current, dirty, busy, conflict, failure, flush]);

  useEffect(() => {
    const leave = (event: BeforeUnloadEvent) => {
      if (unsaved(latest.current).length) event.preventDefault();
    };
    addEventListener("beforeunload", leave);
    return () => removeEventListener("beforeunload", leave);
  }, []);

  const resolve = (mine: boolean) => {
    if (!conflict) return;
    const { file, text, revision } = conflict;
    setFiles((now) => (mine ? saved(now, file, text, revision) : take(now, file, text, revision)));
    setConflict(null);
  };

  return {
    files,
    texts: current,
    change: useCallback((name: string, text: string) => setFiles((now) => edit(now, name, text)), []),
    state: failure ? ("failed" as const) : dirty || busy ? ("saving" as const) : ("saved" as const),
    failure,
    conflict,
    resolve,
  };
}

export type Work = ReturnType<typeof useWork>;

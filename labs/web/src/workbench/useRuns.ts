import { useCallback, useEffect, useRef, useState } from "react";
import { asFailure, check, diagnose, explain, simulate, type Failure, type Texts } from "../api/client";
import type { Diagnostic, Lab, MeshRequest, Observation, Refused, Report, Simulation } from "../api/types";

export interface Running<T> {
  busy: boolean;
  value: T | null;
  failure: Failure | null;
}

const idle = { busy: false, value: null, failure: null };

/** Something that is asked for again and again; only the last answer counts. */
function useLatest<T>(initial: T | null = null) {
  const [state, setState] = useState<Running<T>>({ ...idle, value: initial });
  const turn = useRef(0);
  const run = useCallback(async (work: () => Promise<T>) => {
    const mine = ++turn.current;
    setState((before) => ({ ...before, busy: true, failure: null }));
    try {
      const value = await work();
      if (mine === turn.current) setState({ busy: false, value, failure: null });
    } catch (error) {
      if (mine === turn.current) setState((before) => ({ ...before, busy: false, failure: asFailure(error) }));
    }
  }, []);
  return [state, run] as const;
}

/** The findings for what stands in the editor now. */
export function useDiagnostics(id: string, files: Texts): Diagnostic[] {
  const [state, run] = useLatest<Diagnostic[]>();
  useEffect(() => {
    const timer = setTimeout(() => void run(async () => (await diagnose(id, files)).diagnostics), 250);
    return () => clearTimeout(timer);
  }, [id, files, run]);
  return state.value ?? [];
}

export interface Played {
  simulation: Simulation | null;
  refused: Refused | null;
  of: Texts;
}

export function useSimulation(id: string, files: Texts) {
  const [state, run] = useLatest<Played>();
  const start = useCallback(
    () =>
      run(async () => {
        const { simulation, refused } = await simulate(id, files);
        return { simulation, refused, of: files };
      }),
    [id, files, run],
  );
  const stale = state.value !== null && state.value.of !== files;
  useEffect(() => {
    // The first run comes by itself; later ones follow what is typed.
    const timer = setTimeout(() => void start(), state.value ? 1000 : 0);
    return () => clearTimeout(timer);
  }, [start]);
  return { ...state, start, stale };
}

export function useCheck(lab: Lab, files: Texts) {
  const [state, run] = useLatest<Report>(lab.report);
  const [of, setOf] = useState<Texts | null>(null);
  const start = useCallback(
    () =>
      run(async () => {
        const { report } = await check(lab.id, files);
        setOf(files);
        return report!;
      }),
    [lab.id, files, run],
  );
  return { ...state, start, stale: of !== null && of !== files };
}

export interface Asked {
  request: MeshRequest;
  situation: string;
  observation: Observation | null;
  refused: Refused | null;
}

export function useWhy(id: string, files: Texts) {
  const [state, run] = useLatest<Asked>();
  const ask = useCallback(
    (request: MeshRequest, situation: string, known: Observation | null = null) =>
      run(async () => {
        if (known?.explain) return { request, situation, observation: known, refused: null };
        const { observation, refused } = await explain(id, files, request, situation);
        return { request, situation, observation, refused };
      }),
    [id, files, run],
  );
  return { ...state, ask };
}

export type Why = ReturnType<typeof useWhy>;

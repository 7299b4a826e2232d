/** Ask the server; every failure has a message and a hint. */
import type { Diagnostic, Instructor, Job, Lab, LabCard, MeshRequest } from "./types";

export type Texts = Record<string, string>;

export class Failure extends Error {
  constructor(
    message: string,
    readonly hint: string,
    readonly status: number,
    readonly more: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  } catch {
    throw new Failure(
      "The server does not answer.",
      "Is `meshdojo serve` still running? Your text stays here until it is back.",
      0,
    );
  }
  const value = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (!response.ok) {
    throw new Failure(
      String(value.message ?? `The server answered ${response.status}.`),
      String(value.hint ?? ""),
      response.status,
      value,
    );
  }
  return value as T;
}

/** Wait for a job; one that could not be decided is a failure. */
async function over(started: Promise<Job>): Promise<Job> {
  let job = await started;
  while (job.state === "running") job = await ask<Job>("GET", `/api/jobs/${job.id}?wait=15`);
  if (job.state === "undecided") throw new Failure(job.message, job.hint, 503);
  return job;
}

const lab = (id: string) => `/api/labs/${encodeURIComponent(id)}`;

export const listLabs = () => ask<LabCard[]>("GET", "/api/labs");
export const readLab = (id: string) => ask<Lab>("GET", lab(id));
export const readInstructor = () => ask<Instructor>("GET", "/api/instructor");
export const readHint = (id: string, check: string, level: number) =>
  ask<{ html: string }>("GET", `${lab(id)}/checks/${check}/hints/${level}`);
export const saveFile = (id: string, file: string, text: string, revision: number) =>
  ask<{ revision: number }>("PUT", `${lab(id)}/work/${encodeURIComponent(file)}`, { text, revision });
export const diagnose = (id: string, files: Texts) =>
  ask<{ diagnostics: Diagnostic[] }>("POST", `${lab(id)}/diagnostics`, { files });
export const simulate = (id: string, files: Texts) =>
  over(ask<Job>("POST", `${lab(id)}/simulate`, { files }));
export const check = (id: string, files: Texts) =>
  over(ask<Job>("POST", `${lab(id)}/check`, { files }));
export const explain = (id: string, files: Texts, request: MeshRequest, situation: string) =>
  over(ask<Job>("POST", `${lab(id)}/why`, { files, request, situation }));

export function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure(String(error), "", 0);
}

/** The learner's files while they are edited: pure steps from one state to the next. */
import type { Texts } from "../api/client";
import type { LabFile } from "../api/types";

export interface WorkFile extends LabFile {
  /** The text that the server is known to have. */
  saved: string;
}

export type Files = Record<string, WorkFile>;

export function begin(files: LabFile[]): Files {
  return Object.fromEntries(files.map((file) => [file.name, { ...file, saved: file.text }]));
}

export function edit(files: Files, name: string, text: string): Files {
  const file = files[name];
  return file && file.text !== text ? { ...files, [name]: { ...file, text } } : files;
}

export function saved(files: Files, name: string, text: string, revision: number): Files {
  const file = files[name];
  return file ? { ...files, [name]: { ...file, saved: text, revision } } : files;
}

/** Take what another window saved. */
export function take(files: Files, name: string, text: string, revision: number): Files {
  return saved(edit(files, name, text), name, text, revision);
}

export function unsaved(files: Files): WorkFile[] {
  return Object.values(files).filter((file) => file.editable && file.text !== file.saved);
}

/** What the server needs to run anything: the learner's own files. */
export function texts(files: Files): Texts {
  const own = Object.values(files).filter((file) => file.editable);
  return Object.fromEntries(own.map((file) => [file.name, file.text]));
}

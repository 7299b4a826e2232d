import { defaultKeymap, history, historyKeymap, indentWithTab, temporarilySetTabFocusMode } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import type { Diagnostic } from "../api/types";
import type { WorkFile } from "../workbench/work";
import type { Spot } from "../workbench/Workbench";
import { lints, range } from "./findings";
import { colours, look } from "./look";
import { marked, setMark } from "./mark";

interface Props {
  file: WorkFile;
  change: (text: string) => void;
  diagnostics: Diagnostic[];
  spot: Spot | null;
}

export function Editor({ file, change, diagnostics, spot }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const tell = useRef(change);
  tell.current = change;

  useEffect(() => {
    const made = new EditorView({
      parent: place.current!,
      state: EditorState.create({ doc: file.text, extensions: [...extensions(file), updates(tell)] }),
    });
    view.current = made;
    return () => made.destroy();
    // The editor owns its text; a new one is made for each file (`key`).
  }, [file.name]);

  useEffect(() => {
    const now = view.current!;
    if (now.state.doc.toString() !== file.text) {
      now.dispatch({ changes: { from: 0, to: now.state.doc.length, insert: file.text } });
    }
  }, [file.text]);

  useEffect(() => {
    const { state } = view.current!;
    view.current!.dispatch(setDiagnostics(state, lints(state.doc, file.name, diagnostics)));
  }, [diagnostics, file.name]);

  useEffect(() => {
    if (!spot) return;
    const now = view.current!;
    const { from } = range(now.state.doc, spot.position);
    now.dispatch({
      selection: { anchor: from },
      effects: [setMark.of(from), EditorView.scrollIntoView(from, { y: "center" })],
    });
    now.focus();
  }, [spot]);

  return <div className="editor" ref={place} />;
}

function updates(tell: { current: (text: string) => void }) {
  return EditorView.updateListener.of((update) => {
    if (update.docChanged) tell.current(update.state.doc.toString());
  });
}

function extensions(file: WorkFile) {
  return [
    lineNumbers(),
    highlightActiveLineGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    indentUnit.of("  "),
    bracketMatching(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    lintGutter(),
    marked,
    yaml(),
    syntaxHighlighting(colours),
    look,
    EditorState.tabSize.of(2),
    EditorState.readOnly.of(!file.editable),
    EditorView.contentAttributes.of({
      "aria-label": `${file.name}. Escape, then Tab leaves the editor.`,
      spellcheck: "false",
    }),
    keymap.of([
      // Tab indents; Escape gives it back to moving on, so that the keyboard is never trapped.
      { key: "Escape", run: temporarilySetTabFocusMode },
      ...defaultKeymap,
      ...historyKeymap,
      ...searchKeymap,
      ...lintKeymap,
      indentWithTab,
    ]),
  ];
}

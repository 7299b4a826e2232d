/** The line that was jumped to stays marked until the text changes. */
import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, type DecorationSet } from "@codemirror/view";

export const setMark = StateEffect.define<number>();
const line = Decoration.line({ class: "cm-jumped" });

export const marked = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let now = transaction.docChanged ? Decoration.none : marks;
    for (const effect of transaction.effects) {
      if (effect.is(setMark)) now = Decoration.set(line.range(transaction.state.doc.lineAt(effect.value).from));
    }
    return now;
  },
  provide: (field) => EditorView.decorations.from(field),
});

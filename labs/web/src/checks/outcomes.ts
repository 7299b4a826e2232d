import type { Outcome } from "../api/types";
import type { IconName } from "../shell/Icon";

/** An outcome is told by shape and word, never by colour alone. */
export const words: Record<Outcome, string> = {
  passed: "Passed",
  failed: "Not yet",
  undecided: "Undecided",
  not_run: "Not run",
};

export const icons: Record<Outcome, IconName> = {
  passed: "check",
  failed: "cross",
  undecided: "question",
  not_run: "minus",
};

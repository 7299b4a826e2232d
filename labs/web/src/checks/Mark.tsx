import type { Outcome } from "../api/types";
import { Icon } from "../shell/Icon";
import { icons } from "./outcomes";

export function Mark({ outcome }: { outcome: Outcome | null }) {
  return (
    <span className="mark" data-outcome={outcome ?? "none"} aria-hidden="true">
      {outcome && <Icon name={icons[outcome]} />}
    </span>
  );
}

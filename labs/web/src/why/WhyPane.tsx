import type { Lab, MeshRequest, Position } from "../api/types";
import { Problems } from "../editor/Problems";
import { Empty, Loading, Trouble } from "../shell/Notices";
import type { Why } from "../workbench/useRuns";
import { Journey } from "./Journey";
import { ReasonTree } from "./ReasonTree";
import { RequestForm } from "./RequestForm";

interface Props {
  lab: Lab;
  why: Why;
  ask: (request: MeshRequest, situation: string) => void;
  jump: (position: Position) => void;
}

export function WhyPane({ lab, why, ask, jump }: Props) {
  const { busy, value, failure } = why;
  const example = lab.checks.flatMap((check) => check.requests)[0]?.request ?? { url: "" };
  const own = new Set(lab.files.filter((file) => file.editable).map((file) => file.name));
  return (
    <div className="why">
      <RequestForm lab={lab} request={value?.request ?? example} situation={value?.situation ?? ""} busy={busy} ask={ask} />
      {failure && <Trouble failure={failure} />}
      {busy && <Loading what="Following the request" />}
      {!busy && !value && !failure && (
        <Empty title="Why did it go there?">
          Send any request. You see each proxy on its way, what it decided, and the line of yours that made it so.
        </Empty>
      )}
      {!busy && value?.refused && (
        <>
          <Empty title={value.refused.message} />
          {value.refused.diagnostics.length > 0 && (
            <Problems diagnostics={value.refused.diagnostics.filter((each) => each.level === "error")} jump={jump} />
          )}
        </>
      )}
      {!busy && value?.observation && (
        <>
          <Journey observation={value.observation} />
          {value.observation.explain && <ReasonTree root={value.observation.explain} own={own} jump={jump} />}
        </>
      )}
    </div>
  );
}

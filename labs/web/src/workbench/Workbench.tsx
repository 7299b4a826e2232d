import { useCallback, useEffect, useState } from "react";
import type { Lab, MeshRequest, Observation, Position } from "../api/types";
import { Checks } from "../checks/Checks";
import { EditorPane } from "../editor/EditorPane";
import { Tabs } from "../shell/Tabs";
import { Courses } from "../traffic/Courses";
import { Traffic } from "../traffic/Traffic";
import { WhyPane } from "../why/WhyPane";
import { Bar } from "./Bar";
import { ConflictNotice } from "./ConflictNotice";
import { Instructions } from "./Instructions";
import { useCheck, useDiagnostics, useSimulation, useWhy } from "./useRuns";
import { useWork } from "./useWork";

type Left = "task" | "checks";
type Right = "traffic" | "time" | "why";
export type Pane = "left" | "editor" | "right";

export interface Spot {
  position: Position;
  /** Told apart by this when one place is jumped to twice. */
  turn: number;
}

export function Workbench({ lab }: { lab: Lab }) {
  const work = useWork(lab);
  const diagnostics = useDiagnostics(lab.id, work.texts);
  const simulation = useSimulation(lab.id, work.texts);
  const checking = useCheck(lab, work.texts);
  const why = useWhy(lab.id, work.texts);
  const [left, setLeft] = useState<Left>("task");
  const [right, setRight] = useState<Right>("traffic");
  const [pane, setPane] = useState<Pane>("left");
  const [spot, setSpot] = useState<Spot | null>(null);

  const jump = useCallback((position: Position) => {
    setSpot((before) => ({ position, turn: (before?.turn ?? 0) + 1 }));
    setPane("editor");
  }, []);
  const ask = (request: MeshRequest, situation: string, known?: Observation) => {
    setRight("why");
    setPane("right");
    void why.ask(request, situation, known);
  };
  const startCheck = useCallback(() => {
    setLeft("checks");
    setPane("left");
    void checking.start();
  }, [checking.start]);
  useEffect(() => {
    document.title = `${lab.title} – Meshdojo`;
    return () => void (document.title = "Meshdojo");
  }, [lab.title]);
  useShortcut(startCheck);

  const passed = checking.value?.verdicts.filter((each) => each.outcome === "passed").length;
  return (
    <div className="workbench" data-pane={pane}>
      <Bar lab={lab} work={work} checking={checking} startCheck={startCheck} />
      {work.conflict && <ConflictNotice conflict={work.conflict} resolve={work.resolve} />}
      <nav className="panes" aria-label="Parts of the lab">
        {(["left", "editor", "right"] as const).map((each) => (
          <button key={each} aria-pressed={pane === each} onClick={() => setPane(each)}>
            {{ left: "Task", editor: "Files", right: "Mesh" }[each]}
          </button>
        ))}
      </nav>
      <div className="columns">
        <section className="column" data-part="left" aria-label="Task and checks">
          <Tabs<Left>
            group="left"
            label="Task and checks"
            active={left}
            choose={setLeft}
            tabs={[
              { id: "task", label: "Task" },
              {
                id: "checks",
                label: (
                  <>
                    Checks{" "}
                    <span className="count">
                      {passed === undefined ? lab.checks.length : `${passed}/${lab.checks.length}`}
                    </span>
                  </>
                ),
              },
            ]}
          />
          <div className="panel-body" id="left-panel" role="tabpanel" aria-labelledby={`left-tab-${left}`} tabIndex={0}>
            {left === "task" && <Instructions lab={lab} />}
            {left === "checks" && <Checks lab={lab} checking={checking} ask={ask} start={startCheck} jump={jump} />}
          </div>
        </section>
        <EditorPane files={work.files} change={work.change} diagnostics={diagnostics} spot={spot} jump={jump} />
        <section className="column" data-part="right" aria-label="What the mesh does">
          <Tabs<Right>
            group="right"
            label="What the mesh does"
            active={right}
            choose={setRight}
            tabs={[
              { id: "traffic", label: "Traffic" },
              { id: "time", label: "Over time" },
              { id: "why", label: "Why?" },
            ]}
          />
          <div className="panel-body" id="right-panel" role="tabpanel" aria-labelledby={`right-tab-${right}`} tabIndex={0}>
            {right === "traffic" && <Traffic simulation={simulation} jump={jump} />}
            {right === "time" && <Courses simulation={simulation} />}
            {right === "why" && <WhyPane lab={lab} why={why} ask={ask} jump={jump} />}
          </div>
        </section>
      </div>
    </div>
  );
}

function useShortcut(start: () => void) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
        event.preventDefault();
        start();
      }
    };
    addEventListener("keydown", press, { capture: true });
    return () => removeEventListener("keydown", press, { capture: true });
  }, [start]);
}

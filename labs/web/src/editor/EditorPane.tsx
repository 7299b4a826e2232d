import { useEffect, useMemo, useState } from "react";
import type { Diagnostic, Position } from "../api/types";
import { Icon } from "../shell/Icon";
import { Tabs } from "../shell/Tabs";
import type { Files } from "../workbench/work";
import type { Spot } from "../workbench/Workbench";
import { Editor } from "./Editor";
import { Problems } from "./Problems";
import { serious } from "./findings";

interface Props {
  files: Files;
  change: (name: string, text: string) => void;
  diagnostics: Diagnostic[];
  spot: Spot | null;
  jump: (position: Position) => void;
}

export function EditorPane({ files, change, diagnostics, spot, jump }: Props) {
  const names = Object.keys(files);
  const [active, setActive] = useState(names[0]!);
  useEffect(() => {
    if (spot && files[spot.position.file]) setActive(spot.position.file);
    // Only a new jump changes the file; typing does not.
  }, [spot]);
  const file = files[active]!;
  const own = useMemo(() => serious(diagnostics), [diagnostics]);
  const restore = () => {
    if (confirm(`Put ${active} back as it was at the beginning? Your text in it is lost.`)) change(active, file.start);
  };
  return (
    <section className="column" data-part="editor" aria-label="Files">
      <div className="editor-head">
        <Tabs
          group="files"
          label="Your files"
          active={active}
          choose={setActive}
          tabs={names
            .filter((name) => files[name]!.editable)
            .map((name) => ({
              id: name,
              label: (
                <>
                  {name}
                  <FileCount name={name} diagnostics={own} />
                </>
              ),
            }))}
        />
        <select
          className="given-files"
          aria-label="Given files"
          data-active={!file.editable}
          value={file.editable ? "" : active}
          onChange={(event) => event.target.value && setActive(event.target.value)}
        >
          <option value="">Given files</option>
          {names
            .filter((name) => !files[name]!.editable)
            .map((name) => (
              <option key={name}>{name}</option>
            ))}
        </select>
        {file.editable && (
          <button className="icon-button" onClick={restore} disabled={file.text === file.start} aria-label={`Start ${active} again`} title="Start this file again">
            <Icon name="undo" />
          </button>
        )}
      </div>
      <div className="editor-body" id="files-panel" role="tabpanel" aria-label={active}>
        {!file.editable && <p className="given">This file is given. You can read it, but not change it.</p>}
        <Editor
          key={active}
          file={file}
          change={(text) => change(active, text)}
          diagnostics={own}
          spot={spot?.position.file === active ? spot : null}
        />
      </div>
      <Problems diagnostics={own} jump={jump} />
    </section>
  );
}

function FileCount({ name, diagnostics }: { name: string; diagnostics: Diagnostic[] }) {
  const found = diagnostics.filter((each) => each.position?.file === name);
  if (!found.length) return null;
  const worst = found.some((each) => each.level === "error") ? "error" : "warning";
  return (
    <span className="count" data-level={worst} aria-label={`${found.length} findings`}>
      {found.length}
    </span>
  );
}

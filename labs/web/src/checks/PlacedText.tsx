import type { Position } from "../api/types";
import { Place } from "../editor/Problems";
import { CodeText } from "./CodeText";
import { split } from "./placed";

interface Props {
  text: string;
  files: string[];
  jump: (position: Position) => void;
}

/** Text in which `file:line` leads to that line. */
export function PlacedText({ text, files, jump }: Props) {
  return split(text, files).map((part, at) =>
    typeof part === "string" ? <CodeText key={at} text={part} /> : <Place key={at} position={part} jump={jump} />,
  );
}

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { type Theme, useTheme } from "../shell/theme";
import { colour, DASHES, token } from "./palette";
import type { Values } from "./series";

interface Line {
  label: string;
  values: Values;
}

interface Props {
  title: string;
  note?: string;
  lines: Line[];
  format: (value: number) => string;
  max?: number;
}

const HEIGHT = 150;

export function Chart({ title, note, lines, format, max }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  useEffect(() => {
    const made = new uPlot(options(place.current!.clientWidth, theme, lines, format, max), data(lines), place.current!);
    const observer = new ResizeObserver(() => made.setSize({ width: place.current!.clientWidth, height: HEIGHT }));
    observer.observe(place.current!);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [lines, theme, format, max]);
  return (
    <figure className="chart">
      <figcaption>
        <strong>{title}</strong>
        {note && <span>{note}</span>}
        <ul>
          {lines.length > 1 &&
            lines.map((line, at) => (
              <li key={line.label}>
                <svg width="22" height="6" aria-hidden="true">
                  <line x1="0" y1="3" x2="22" y2="3" stroke={colour(theme, at)} strokeWidth="2.5" strokeDasharray={DASHES[at % DASHES.length]!.join(" ")} />
                </svg>
                {line.label}
              </li>
            ))}
        </ul>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${spoken(lines, format)}`} />
    </figure>
  );
}

function data(lines: Line[]): uPlot.AlignedData {
  const seconds = (lines[0]?.values ?? []).map((_, at) => at);
  return [seconds, ...lines.map((line) => line.values)];
}

/** The last value of each line, for those who cannot see them. */
function spoken(lines: Line[], format: (value: number) => string): string {
  return lines
    .map((line) => {
      const last = line.values.findLast((value) => value !== null);
      return `${line.label} ends at ${last === undefined || last === null ? "nothing" : format(Math.round(last * 100) / 100)}`;
    })
    .join(", ");
}

function options(width: number, theme: Theme, lines: Line[], format: (value: number) => string, max?: number): uPlot.Options {
  const axis = {
    stroke: token("--ink-soft"),
    font: `12px ${token("--sans")}`,
    grid: { stroke: token("--grid"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 12, 0, 0],
    scales: { x: { time: false }, y: { range: (_, __, high) => [0, (max ?? (high || 1)) * 1.06] } },
    axes: [
      { ...axis, size: 26, values: (_, splits) => splits.map((at) => `${at} s`) },
      { ...axis, size: 62, splits: max ? () => [0, 0.25, 0.5, 0.75, 1] : undefined, values: (_, splits) => splits.map((at) => format(at)) } as uPlot.Axis,
    ],
    series: [
      {},
      ...lines.map((line, at) => ({
        label: line.label,
        stroke: colour(theme, at),
        dash: DASHES[at % DASHES.length]!,
        width: 2,
        spanGaps: true,
        points: { show: false },
      })),
    ],
  };
}

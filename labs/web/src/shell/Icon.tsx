/** Line icons, drawn on a grid of 20; decoration beside text, so hidden from readers. */
const PATHS = {
  sun: "M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7M10 1.8v1.6M10 16.6v1.6M1.8 10h1.6M16.6 10h1.6M4.2 4.2l1.1 1.1M14.7 14.7l1.1 1.1M4.2 15.8l1.1-1.1M14.7 5.3l1.1-1.1",
  moon: "M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7",
  check: "m4.5 10.5 3.7 3.7 7.3-8",
  cross: "m5.5 5.5 9 9m0-9-9 9",
  question: "M7.4 7.3a2.7 2.7 0 1 1 4 2.4c-.9.5-1.4 1.1-1.4 2.1M10 14.9v.2",
  minus: "M5 10h10",
  play: "M6.5 4.2v11.6l9-5.8z",
  arrow: "M4 10h12m-4.5-4.5L16 10l-4.5 4.5",
  chevron: "m7.5 5 5 5-5 5",
  target: "M10 3.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13M10 7.7a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.6M10 1.5v2m0 13v2M1.5 10h2m13 0h2",
  bulb: "M7.6 14.2c0-1.6-2.3-2.8-2.3-5.7a4.7 4.7 0 0 1 9.4 0c0 2.9-2.3 4.1-2.3 5.7zm.2 2.9h4.4",
  undo: "M4 8.5h8a4 4 0 0 1 0 8H8M4 8.5 7.5 5M4 8.5 7.5 12",
  lock: "M5.5 9.2h9v7h-9zM7.3 9V6.7a2.7 2.7 0 0 1 5.4 0V9",
  clock: "M10 2.8a7.2 7.2 0 1 1 0 14.4 7.2 7.2 0 0 1 0-14.4M10 6v4.2l2.8 1.8",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Okabe and Ito's colours, which can be told apart with any kind of colour vision;
 * lighter twins on dark ground. Versions differ in line style, too. */
import type { Theme } from "../shell/theme";

const LIGHT = ["#0072b2", "#b86e00", "#00795a", "#a34f80", "#2f6f93", "#b34a00"];
const DARK = ["#6cc0ee", "#f2b544", "#45d0a5", "#e39bc2", "#9cc9e2", "#ff9b5e"];
export const DASHES: number[][] = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

export function colour(theme: Theme, at: number): string {
  const palette = theme === "dark" ? DARK : LIGHT;
  return palette[at % palette.length]!;
}

/** A colour's place for each version, the same in the map and in the charts. */
export function versionAt(version: string, versions: string[]): number {
  return Math.max(versions.indexOf(version), 0);
}

/** A value of the page's style sheet. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

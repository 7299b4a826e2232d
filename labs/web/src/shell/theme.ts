/** Light or dark: the system's choice until somebody chooses here. */
import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";
const KEY = "meshdojo.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme | null {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : null;
}

export function current(): Theme {
  return chosen() ?? (system.matches ? "dark" : "light");
}

export function apply(): void {
  document.documentElement.dataset.theme = current();
  listeners.forEach((tell) => tell());
}

export function toggle(): void {
  localStorage.setItem(KEY, current() === "dark" ? "light" : "dark");
  apply();
}

system.addEventListener("change", apply);
apply();

export function useTheme(): Theme {
  return useSyncExternalStore((tell) => {
    listeners.add(tell);
    return () => listeners.delete(tell);
  }, current);
}

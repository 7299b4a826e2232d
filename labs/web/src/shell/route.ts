/** Addresses of the page, and going from one to the other without loading it anew. */
import { useSyncExternalStore } from "react";

export type Route =
  | { page: "labs" }
  | { page: "lab"; id: string }
  | { page: "instructor" }
  | { page: "unknown" };

export function parse(path: string): Route {
  const parts = path.split("/").filter(Boolean);
  if (parts.length === 0) return { page: "labs" };
  if (parts[0] === "labs" && parts.length === 2) return { page: "lab", id: decodeURIComponent(parts[1]!) };
  if (parts[0] === "instructor" && parts.length === 1) return { page: "instructor" };
  return { page: "unknown" };
}

export function go(path: string): void {
  history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}

export function useRoute(): Route {
  const path = useSyncExternalStore(
    (changed) => {
      addEventListener("popstate", changed);
      return () => removeEventListener("popstate", changed);
    },
    () => location.pathname,
  );
  return parse(path);
}

import type { AnchorHTMLAttributes } from "react";
import { go } from "./route";

/** A link within the page; the browser's own gestures (new tab …) keep working. */
export function Link({ href, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  return (
    <a
      href={href}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(href);
      }}
      {...rest}
    />
  );
}

import { Fragment } from "react";

/** Plain text in which `…` is code. */
export function CodeText({ text }: { text: string }) {
  return text.split("`").map((part, at) => (at % 2 ? <code key={at}>{part}</code> : <Fragment key={at}>{part}</Fragment>));
}

import type { Lab } from "../api/types";
import { Icon } from "../shell/Icon";

export function Instructions({ lab }: { lab: Lab }) {
  return (
    <article className="prose">
      <div className="objectives">
        <h2>
          <Icon name="target" /> You will learn to
        </h2>
        <ul>
          {lab.objectives.map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
        <p className="time">
          <Icon name="clock" /> About {lab.minutes} minutes
        </p>
      </div>
      {/* Made by the server from Markdown, in which raw HTML is switched off. */}
      <div className="markdown" dangerouslySetInnerHTML={{ __html: lab.instructions }} />
    </article>
  );
}

import { listLabs } from "../api/client";
import type { LabCard } from "../api/types";
import { Icon } from "../shell/Icon";
import { Link } from "../shell/Link";
import { Empty, Loading, Trouble } from "../shell/Notices";
import { useLoaded } from "../shell/useLoaded";
import { byModule } from "./modules";

export function LabsPage() {
  const { value, failure, reload } = useLoaded(listLabs);
  return (
    <div className="page">
      <div className="hero">
        <h1>Learn what a service mesh does by changing one</h1>
        <p>
          You write the Istio configuration. A simulated mesh follows it, request by request, and
          tells you why each one went where it went.
        </p>
      </div>
      <ol className="steps">
        <li>
          <strong>Write</strong> Istio resources in the editor, with findings as you type.
        </li>
        <li>
          <strong>Watch</strong> traffic move over the map, version by version.
        </li>
        <li>
          <strong>Ask why</strong> about any request, and land on the line that decided.
        </li>
      </ol>
      {failure && <Trouble failure={failure} retry={reload} />}
      {!failure && !value && <Loading what="Loading the labs" />}
      {value?.length === 0 && <Empty title="There are no labs here" />}
      {value &&
        byModule(value).map(([module, labs]) => (
          <section key={module} aria-label={module}>
            <h2 className="eyebrow">{module}</h2>
            <ul className="cards">
              {labs.map((lab) => (
                <Card key={lab.id} lab={lab} />
              ))}
            </ul>
          </section>
        ))}
    </div>
  );
}

function Card({ lab }: { lab: LabCard }) {
  const action = lab.passed ? "Open again" : lab.begun ? "Continue" : "Begin";
  const best = lab.best ?? 0;
  return (
    <li className="card">
      <Link href={`/labs/${lab.id}`}>
        <div className="card-head">
          <h3>{lab.title}</h3>
          {lab.passed && (
            <span className="badge" data-outcome="passed">
              <Icon name="check" /> Passed
            </span>
          )}
        </div>
        <p>{lab.summary}</p>
        <dl className="facts">
          <div>
            <dt>Time</dt>
            <dd>about {lab.minutes} min</dd>
          </div>
          <div>
            <dt>Checks</dt>
            <dd>{lab.checks}</dd>
          </div>
          <div>
            <dt>Best</dt>
            <dd>{lab.best === null ? "not checked yet" : `${best} of ${lab.points} points`}</dd>
          </div>
        </dl>
        <div className="meter" role="presentation">
          <span style={{ width: `${(100 * best) / lab.points}%` }} />
        </div>
        <span className="card-action">
          {action} <Icon name="arrow" />
        </span>
      </Link>
    </li>
  );
}

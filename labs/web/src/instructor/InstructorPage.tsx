import { readInstructor } from "../api/client";
import type { Attempt, Instructor } from "../api/types";
import { Mark } from "../checks/Mark";
import { words } from "../checks/outcomes";
import { Empty, Loading, Trouble } from "../shell/Notices";
import { useLoaded } from "../shell/useLoaded";
import { passRates } from "./passRates";

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function InstructorPage() {
  const { value, failure, reload } = useLoaded(readInstructor);
  return (
    <div className="page">
      <div className="hero">
        <h1>Attempts</h1>
        <p>Who tried what, how far they came and where they are stuck.</p>
      </div>
      {failure && <Trouble failure={failure} retry={reload} />}
      {!failure && !value && <Loading what="Loading the attempts" />}
      {value?.attempts.length === 0 && (
        <Empty title="No attempts yet">
          An attempt appears here each time somebody presses <em>Check my work</em> in a lab.
        </Empty>
      )}
      {value?.labs
        .filter((lab) => value.attempts.some((attempt) => attempt.lab === lab.id))
        .map((lab) => <LabAttempts key={lab.id} lab={lab} all={value} />)}
    </div>
  );
}

function LabAttempts({ lab, all }: { lab: Instructor["labs"][number]; all: Instructor }) {
  const attempts = all.attempts.filter((attempt) => attempt.lab === lab.id);
  const standings = all.standings.filter((standing) => standing.lab === lab.id);
  return (
    <section aria-labelledby={`lab-${lab.id}`} className="panel">
      <h2 id={`lab-${lab.id}`}>{lab.title}</h2>
      <ul className="figures">
        {standings.map((standing) => (
          <li key={standing.learner}>
            <span className="figure">
              {standing.best}
              <small> of {standing.score_max}</small>
            </span>
            <span className="figure-label">
              {standing.learner}: best of {standing.attempts}{" "}
              {standing.attempts === 1 ? "attempt" : "attempts"}
              {standing.passed && ", passed"}
            </span>
          </li>
        ))}
      </ul>
      <h3>How each check fares</h3>
      <ul className="rates">
        {passRates(lab.checks, attempts).map((rate) => (
          <li key={rate.id}>
            <code>{rate.id}</code>
            <span className="meter" role="presentation">
              <span style={{ width: `${100 * rate.share}%` }} />
            </span>
            <span>
              passed {rate.passed} of {rate.of}
            </span>
          </li>
        ))}
      </ul>
      <h3>Every attempt, newest first</h3>
      <div className="scroll" tabIndex={0} role="region" aria-label={`Attempts at ${lab.title}`}>
        <AttemptTable checks={lab.checks} attempts={attempts} />
      </div>
    </section>
  );
}

function AttemptTable({ checks, attempts }: { checks: [string, string][]; attempts: Attempt[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Learner</th>
          <th scope="col">When</th>
          <th scope="col">Points</th>
          {checks.map(([id, says]) => (
            <th scope="col" key={id} title={says}>
              {id}
            </th>
          ))}
          <th scope="col">Ran on</th>
        </tr>
      </thead>
      <tbody>
        {attempts.map((attempt) => (
          <tr key={attempt.id}>
            <th scope="row">{attempt.learner}</th>
            <td>
              <time dateTime={attempt.at}>{when.format(new Date(attempt.at))}</time>
            </td>
            <td className="number">
              {attempt.score} / {attempt.score_max}
            </td>
            {checks.map(([id]) => {
              const outcome = attempt.verdicts[id] ?? "not_run";
              return (
                <td key={id}>
                  <Mark outcome={outcome} />
                  <span className="hidden">{words[outcome]}</span>
                </td>
              );
            })}
            <td>{attempt.engine === "sim" ? "simulator" : "real Envoys"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

import type { TopologyEdge } from "../api/types";
import { duration, percent, rate, short } from "./units";

export function TrafficTable({ edges }: { edges: TopologyEdge[] }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Traffic as a table">
      <table>
        <caption>Who calls whom</caption>
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col">Rate</th>
            <th scope="col">Good</th>
            <th scope="col">p50</th>
            <th scope="col">p99</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((edge) => (
            <tr key={edge.id}>
              <th scope="row">{short(edge.source)}</th>
              <td>{short(edge.target)}</td>
              <td className="number">{rate(edge.rate)}</td>
              <td className="number">{percent(edge.success_share)}</td>
              <td className="number">{duration(edge.p50_ns)}</td>
              <td className="number">{duration(edge.p99_ns)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What the server says, as JSON. */

export type Level = "error" | "warning" | "info";
export type Outcome = "passed" | "failed" | "undecided" | "not_run";

export interface Position {
  file: string;
  line: number;
  column: number;
}

export interface Diagnostic {
  code: string;
  level: Level;
  message: string;
  hint: string;
  position: Position | null;
  resource: string;
  field: string;
}

export interface LabCard {
  id: string;
  title: string;
  module: string;
  summary: string;
  minutes: number;
  points: number;
  checks: number;
  best: number | null;
  passed: boolean;
  begun: boolean;
}

export interface LabFile {
  name: string;
  text: string;
  start: string;
  revision: number;
  editable: boolean;
}

export interface MeshRequest {
  from?: string;
  url: string;
  via?: string | null;
  method?: string;
  headers?: Record<string, string | string[]>;
}

export interface Check {
  id: string;
  says: string;
  kind: string;
  points: number;
  after: string[];
  hints: number;
  situation: string;
  requests: { id: string; request: MeshRequest }[];
}

export interface Verdict {
  check: string;
  says: string;
  outcome: Outcome;
  reason: string;
  points: number;
  points_max: number;
  observation?: Observation | null;
}

export interface Report {
  outcome: Outcome;
  engine: string;
  score: number;
  score_max: number;
  verdicts: Verdict[];
  diagnostics: Diagnostic[];
}

export interface Lab {
  id: string;
  title: string;
  module: string;
  summary: string;
  minutes: number;
  objectives: string[];
  instructions: string;
  files: LabFile[];
  checks: Check[];
  workloads: string[];
  gateways: string[];
  situations: Record<string, string>;
  report: Report | null;
}

export interface Reason {
  what: string;
  name: string;
  outcome: "chosen" | "rejected" | "note";
  reason: string;
  field?: { kind: string; resource: string; path: string } | null;
  source?: string | null;
  children: Reason[];
}

export interface Upstream {
  address?: string | null;
  pod?: string | null;
  workload?: string | null;
  version?: string | null;
}

export interface Hop {
  proxy: string;
  direction: string;
  status?: number | null;
  response_flags: string[];
  route?: string | null;
  cluster?: string | null;
  upstream?: Upstream | null;
  attempts?: number | null;
  duration_ns?: number | null;
}

export interface Observation {
  id: string;
  n: number;
  status?: number | null;
  response_flags: string[];
  details?: string | null;
  upstream?: Upstream | null;
  attempts?: number | null;
  duration_ns?: number | null;
  error?: string | null;
  hops: Hop[];
  explain?: Reason | null;
}

export interface TopologyNode {
  id: string;
  label: string;
  kind: string;
  version: string;
  layer: number;
}

export interface TopologyEdge {
  id: string;
  source: string;
  target: string;
  services: string[];
  requests: number;
  rate: number;
  success_share: number | null;
  p50_ns: number | null;
  p99_ns: number | null;
}

export interface Figures {
  requests: number;
  rate: number;
  success_share: number | null;
  p50_ns: number | null;
  p90_ns: number | null;
  p99_ns: number | null;
}

export interface Series {
  kind: "client" | "service";
  name: string;
  rate: number[];
  success_share: (number | null)[];
  p50_ns: (number | null)[];
  p99_ns: (number | null)[];
  shares: Record<string, (number | null)[]>;
}

export interface Simulation {
  title: string;
  seed: number;
  digest: string;
  summary: {
    duration_ns: number;
    clients: { name: string; figures: Figures; versions: Record<string, number> }[];
    services: { host: string; figures: Figures; versions: Record<string, number>; attempts: number }[];
  };
  series: Series[];
  nodes: TopologyNode[];
  edges: TopologyEdge[];
}

export interface Refused {
  message: string;
  diagnostics: Diagnostic[];
}

export interface Job {
  id: string;
  state: "running" | "done" | "undecided";
  message: string;
  hint: string;
  simulation: Simulation | null;
  report: Report | null;
  observation: Observation | null;
  refused: Refused | null;
}

export interface Attempt {
  id: number;
  learner: string;
  lab: string;
  at: string;
  engine: string;
  outcome: Outcome;
  score: number;
  score_max: number;
  verdicts: Record<string, Outcome>;
}

export interface Standing {
  learner: string;
  lab: string;
  attempts: number;
  best: number;
  score_max: number;
  passed: boolean;
  last: string;
}

export interface Instructor {
  labs: { id: string; title: string; checks: [string, string][] }[];
  standings: Standing[];
  attempts: Attempt[];
}

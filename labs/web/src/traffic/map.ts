/** A run's graph as a map: places from left to right (or down), widths, words. */
import type { TopologyEdge, TopologyNode } from "../api/types";
import { percent, rate } from "./units";

const SOUND = 0.9995;
export interface Place {
  x: number;
  y: number;
}

/** Put each node into the column of its layer, each column around the same axis. */
export function places(nodes: TopologyNode[], down: boolean): Record<string, Place> {
  const [along, across] = down ? [108, 104] : [178, 100];
  const columns = new Map<number, TopologyNode[]>();
  for (const node of nodes) columns.set(node.layer, [...(columns.get(node.layer) ?? []), node]);
  const found: Record<string, Place> = {};
  for (const [layer, column] of columns) {
    column.forEach((node, at) => {
      const side = (at - (column.length - 1) / 2) * across;
      found[node.id] = down ? { x: side, y: layer * along } : { x: layer * along, y: side };
    });
  }
  return found;
}

export function fails(edge: TopologyEdge): boolean {
  return (edge.success_share ?? 1) < SOUND;
}

/** Width grows with the root of the rate, so that a canary's thin line is still seen. */
export function width(edge: TopologyEdge, busiest: number): number {
  return busiest > 0 ? 1.5 + 7 * Math.sqrt(edge.rate / busiest) : 1.5;
}

export function label(edge: TopologyEdge): string {
  const errors = fails(edge) ? `\n${percent(1 - (edge.success_share ?? 1))} fail` : "";
  return rate(edge.rate) + errors;
}

/** At which end an edge's label has room: away from where many edges meet. */
export function roomier(edge: TopologyEdge, edges: TopologyEdge[]): "source" | "target" {
  const leaving = edges.filter((each) => each.source === edge.source).length;
  const arriving = edges.filter((each) => each.target === edge.target).length;
  return arriving > leaving ? "source" : "target";
}

export function nodeLabel(node: TopologyNode): string {
  return node.label.replace(/^istio-(ingress|egress)gateway\..*/, "$1\ngateway").replace(/-(v\d+)$/, "\n$1");
}

/** The versions in a graph, sorted, so that each keeps its colour. */
export function versions(nodes: TopologyNode[]): string[] {
  return [...new Set(nodes.map((node) => node.version).filter(Boolean))].sort();
}

import cytoscape, { type Core, type StylesheetStyle } from "cytoscape";
import { useEffect, useRef } from "react";
import type { Simulation } from "../api/types";
import { type Theme, useTheme } from "../shell/theme";
import { fails, label, nodeLabel, places, roomier, versions, width } from "./map";
import { colour, token, versionAt } from "./palette";

const NARROW = 500;

/** The mesh as a map; the table below it says the same in words. */
export function Topology({ simulation }: { simulation: Simulation }) {
  const place = useRef<HTMLDivElement>(null);
  const graph = useRef<Core>(null);
  const theme = useTheme();

  useEffect(() => {
    const made = cytoscape({
      container: place.current!,
      userZoomingEnabled: false,
      userPanningEnabled: false,
      boxSelectionEnabled: false,
      autoungrabify: true,
      autounselectify: true,
    });
    graph.current = made;
    const observer = new ResizeObserver(() => arrange(made, place.current!));
    observer.observe(place.current!);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, []);

  useEffect(() => {
    const made = graph.current!;
    made.elements().remove();
    made.add(elements(simulation, theme));
    made.style(style());
    arrange(made, place.current!);
  }, [simulation, theme]);

  return <div className="topology" ref={place} role="img" aria-label="Map of the mesh with its traffic; the table below says the same" />;
}

function arrange(graph: Core, place: HTMLElement) {
  if (!place.clientWidth) return;
  const nodes = graph.nodes().map((node) => node.data());
  const at = places(nodes as Parameters<typeof places>[0], place.clientWidth < NARROW);
  graph.resize();
  graph.nodes().forEach((node) => void node.position(at[node.id()]!));
  graph.fit(undefined, 10);
  if (graph.zoom() > 1.25) {
    graph.zoom(1.25);
    graph.center();
  }
}

function elements(simulation: Simulation, theme: Theme) {
  const known = versions(simulation.nodes);
  const busiest = Math.max(0, ...simulation.edges.map((edge) => edge.rate));
  const ofNode = Object.fromEntries(simulation.nodes.map((node) => [node.id, node]));
  const shade = (id: string) => {
    const node = ofNode[id]!;
    return node.version && known.length > 1 ? colour(theme, versionAt(node.version, known)) : token("--ink-soft");
  };
  return [
    ...simulation.nodes.map((node) => ({
      group: "nodes" as const,
      data: { ...node, text: nodeLabel(node), shade: shade(node.id) },
      classes: node.kind,
    })),
    ...simulation.edges.map((edge) => ({
      group: "edges" as const,
      data: { ...edge, text: label(edge), width: width(edge, busiest), shade: shade(edge.target) },
      classes: `${roomier(edge, simulation.edges)} ${fails(edge) ? "failing" : ""}`,
    })),
  ];
}

function style(): StylesheetStyle[] {
  const font = { "font-family": token("--sans") };
  return [
    {
      selector: "node",
      style: {
        ...font,
        shape: "round-rectangle",
        width: 102,
        height: 46,
        label: "data(text)",
        "text-valign": "center",
        "text-wrap": "wrap",
        "font-size": 13.5,
        "font-weight": 600,
        color: token("--ink"),
        "background-color": token("--surface"),
        "border-width": 2,
        "border-color": "data(shade)",
      },
    },
    { selector: "node.client", style: { shape: "ellipse", width: 84, "border-style": "dashed" } },
    { selector: "node.gateway", style: { shape: "cut-rectangle" } },
    {
      selector: "edge",
      style: {
        ...font,
        width: "data(width)",
        "curve-style": "bezier",
        "line-color": "data(shade)",
        "target-arrow-color": "data(shade)",
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.9,
        "line-opacity": 0.75,
        "text-wrap": "wrap",
        "font-size": 13.5,
        "text-margin-y": -7,
        color: token("--ink"),
        "text-background-color": token("--sunken"),
        "text-background-opacity": 0.88,
        "text-background-padding": "1px",
        "text-background-shape": "roundrectangle",
      },
    },
    { selector: "edge.source", style: { "source-label": "data(text)", "source-text-offset": 44 } },
    { selector: "edge.target", style: { "target-label": "data(text)", "target-text-offset": 30 } },
    {
      selector: "edge.failing",
      style: {
        "line-style": "dashed",
        "line-color": token("--bad"),
        "target-arrow-color": token("--bad"),
        color: token("--bad"),
        "font-weight": 600,
      },
    },
  ];
}

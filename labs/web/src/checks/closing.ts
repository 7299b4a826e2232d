import type { Report } from "../api/types";

/** What to say below the points, and what to do next. */
export function closing(report: Report): string {
  if (report.outcome === "passed") return "Full marks. Well done!";
  const failed = report.verdicts.filter((each) => each.outcome === "failed").length;
  if (failed === 0) return "Some checks could not be decided. That is our fault, not yours; try again.";
  return failed === 1 ? "One check is left. Its reason is below." : `${failed} checks are left. Take the first one first.`;
}

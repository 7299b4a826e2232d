import type { Attempt } from "../api/types";

export interface PassRate {
  id: string;
  passed: number;
  of: number;
  share: number;
}

/** How often each check passed, among the attempts in which it was decided. */
export function passRates(checks: [string, string][], attempts: Attempt[]): PassRate[] {
  return checks.map(([id]) => {
    const decided = attempts.filter((one) => one.verdicts[id] === "passed" || one.verdicts[id] === "failed");
    const passed = decided.filter((one) => one.verdicts[id] === "passed").length;
    return { id, passed, of: decided.length, share: decided.length ? passed / decided.length : 0 };
  });
}

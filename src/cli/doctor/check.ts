/** One line of `osnmad doctor`. */
export type CheckStatus = "ok" | "warning" | "problem" | "skipped";

export interface Check {
  /** What was looked at; stable, for scripts. */
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly found: string;
  /** What to do; null where there is nothing to do. */
  readonly remedy: string | null;
  /** The check that says why this one could not be made, where it is but a consequence; a screen leaves it out. */
  readonly because?: string;
}

export function ok(name: string, found: string): Check {
  return { name, status: "ok", found, remedy: null };
}

export function warning(name: string, found: string, remedy: string): Check {
  return { name, status: "warning", found, remedy };
}

export function problem(name: string, found: string, remedy: string): Check {
  return { name, status: "problem", found, remedy };
}

export function skipped(name: string, found: string): Check {
  return { name, status: "skipped", found, remedy: null };
}

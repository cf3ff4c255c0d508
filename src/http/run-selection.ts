/** Which run a request is about: the one it names, that of its cursor, this server's own, or the newest. */
import { OsnmadError } from "../errors.js";
import type { Run } from "../store/run-store.js";
import type { Store } from "../store/store.js";
import { decodeCursor } from "./cursor.js";

export function selectRun(store: Store, id: number | undefined): Run {
  // Another process may have begun a newer run in the same folder: it is not what this server tells of.
  const asked = id ?? store.servedRun;
  const run = asked === null ? store.runs.newest() : store.runs.get(asked);
  if (run !== null) return run;
  throw new OsnmadError(
    "OSN_NOT_FOUND",
    id === undefined ? "No run was recorded yet." : `There is no run ${id}.`,
  );
}

/** The run and the place in it where a page of `list` begins. */
export function selectPage(
  store: Store,
  list: string,
  query: { readonly run?: number | undefined; readonly cursor?: string | undefined },
): { readonly run: Run; readonly beforeId: number | undefined } {
  if (query.cursor === undefined) return { run: selectRun(store, query.run), beforeId: undefined };
  const cursor = decodeCursor(list, query.cursor);
  if (cursor === null) throw new OsnmadError("OSN_USAGE", "cursor: not one that this list gave out.");
  if (query.run !== undefined && query.run !== cursor.run) {
    throw new OsnmadError("OSN_USAGE", `cursor: belongs to run ${cursor.run}, not to run ${query.run}.`);
  }
  // A run that began in between does not mix in: the cursor stays with its own.
  return { run: selectRun(store, cursor.run), beforeId: cursor.beforeId };
}

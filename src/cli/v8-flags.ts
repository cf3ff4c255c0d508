/**
 * A replay is a short process: V8's optimising compiler costs it more than it wins before the end. Raising the
 * budget after which a function is optimised (default 66 KB of bytecode executed in Node 20) took the CPU time
 * of a 79 minute capture from 0.63 s to 0.43 s (median of 7, Node 20, two shared cores); what is hot for longer
 * than that is still optimised. Must be imported before anything else runs. Later versions of Node have no such flag and
 * would say so on standard error: only Node 20 is told. Flags are the process's, so a thread that loads this leaves them
 * alone.
 *
 * A server runs for long, so it is left as it is but for the time of its replay, where the compilers took a third of
 * all CPU time, and with it one of two cores.
 */
import { setFlagsFromString } from "node:v8";
import { isMainThread } from "node:worker_threads";

const REPLAY = ["--interrupt-budget=1000000"];
const SERVED_REPLAY = ["--interrupt-budget=200000", "--max-inlined-bytecode-size-cumulative=300"];
/** Node 20's own. */
const USUAL = ["--interrupt-budget=67584", "--max-inlined-bytecode-size-cumulative=920"];

function setFlags(flags: readonly string[]): void {
  if (!process.versions.node.startsWith("20.") || !isMainThread) return;
  for (const flag of flags) setFlagsFromString(flag);
}

setFlags(process.argv[2] === "serve" ? SERVED_REPLAY : REPLAY);

/** For a server whose replay is done. */
export function compileAsUsual(): void {
  setFlags(USUAL);
}

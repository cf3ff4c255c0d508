/**
 * A replay is a short process: V8's optimising compiler costs it more than it wins before the end. Raising the
 * budget after which a function is optimised (default 66 KB of bytecode executed in Node 20) took the CPU time
 * of a 79 minute capture from 0.63 s to 0.43 s (median of 7, Node 20, two shared cores); what is hot for longer
 * than that is still optimised. A server runs for long, so it is left as it is, which is also best for its replay on
 * two threads: with 130 to 400 KB its thread took 0.2 to 0.6 s more CPU, and what the compilers took less made up for
 * it, no more. Must be imported before anything else runs. Later versions of Node have no such flag and would say so on
 * standard error: only Node 20 is told. Flags are the process's, so a thread that loads this leaves them alone.
 */
import { setFlagsFromString } from "node:v8";
import { isMainThread } from "node:worker_threads";

const isServer = process.argv[2] === "serve" || !isMainThread;
if (process.versions.node.startsWith("20.") && !isServer) setFlagsFromString("--interrupt-budget=1000000");

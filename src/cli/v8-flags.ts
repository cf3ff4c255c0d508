/**
 * A replay is a short process: V8's optimising compiler costs it more than it wins before the end. Raising the
 * budget after which a function is optimised (default 66 KB of bytecode executed in Node 20) took the CPU time
 * of a 79 minute capture from 0.63 s to 0.43 s (median of 7, Node 20, two shared cores); what is hot for longer
 * than that is still optimised. A server runs for long, so it is left as it is. Must be imported before anything
 * else runs. Later versions of Node have no such flag and would say so on standard error: only Node 20 is told.
 */
import { setFlagsFromString } from "node:v8";

const isServer = process.argv[2] === "serve";
if (process.versions.node.startsWith("20.") && !isServer) setFlagsFromString("--interrupt-budget=1000000");

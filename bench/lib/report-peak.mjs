/** Preloaded into a measured process: writes its peak resident memory to stderr as it exits. */
import { readFileSync, writeSync } from "node:fs";

process.on("exit", () => {
  writeSync(2, `peak-kilobytes ${peakKilobytes()}\n`);
});

function peakKilobytes() {
  try {
    // getrusage may still hold the peak of the process that forked this one; this counts since exec.
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    if (found !== null) return Number(found[1]);
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS;
}

/**
 * Runs a Node process and says what it cost: CPU from the shell's `times` (all of the process, start-up and end
 * included; Node itself reports no children's usage), peak memory from the process's own account as it exits.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const peakModule = fileURLToPath(new URL("./report-peak.mjs", import.meta.url));
const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Runs node with output to /dev/null. @param {string[]} args @returns {number} user and system seconds */
export function cpuSeconds(args) {
  const output = shell(`${[process.execPath, ...args].map(quote).join(" ")} >/dev/null; times`);
  // Two lines of two figures, user and system: the shell's own, then its children's.
  const figures = [...output.stdout.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds),
  );
  if (figures.length !== 4) throw new Error(`the shell's times are not understood: ${output.stdout}`);
  return figures[2] + figures[3];
}

/** Peak resident memory, MB (10^6 bytes). @param {string[]} args */
export function peakMegabytes(args) {
  const command = [process.execPath, "--import", peakModule, ...args].map(quote).join(" ");
  const found = /peak-kilobytes (\d+)/.exec(shell(`${command} >/dev/null`).stderr);
  if (found === null) throw new Error("the process did not report its peak memory");
  return (Number(found[1]) * 1024) / 1e6;
}

/** What a Node script prints, as JSON. @param {string[]} args */
export function jsonOf(args) {
  return JSON.parse(shell([process.execPath, ...args].map(quote).join(" ")).stdout);
}

function shell(script) {
  // Fails as a whole where the command does; stderr is kept for the message.
  const result = spawnSync("sh", ["-c", `set -e; ${script}`], { encoding: "utf8", maxBuffer: 1 << 26 });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`exit ${result.status} of ${script}\n${result.stderr}`);
  return result;
}

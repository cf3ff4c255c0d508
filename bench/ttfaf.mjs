/**
 * Time to first authenticated fix over every start in a capture, hot and warm, under both rules, against the
 * computed floor and the peer's figures; writes the plot of docs/ttfaf.md.
 *
 *   node bench/ttfaf.mjs [capture.ubx] [--step SECONDS] [--warm-step SECONDS] [--plot FILE.svg] [--docs FILE.md] [--json FILE]
 *
 * --docs puts the results between the markers of docs/ttfaf.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { leuven, simulated, startOf } from "./lib/material.mjs";
import { createOracle } from "./lib/oracle.mjs";
import { timedPages } from "./lib/pages.mjs";
import { peerStarts } from "./lib/peer.mjs";
import { plotSvg } from "./lib/plot.mjs";
import { engineStarts } from "./lib/starts.mjs";
import { mean, median, quantile, table } from "./lib/statistics.mjs";

const SECONDS_IN_WEEK = 604_800;
const RULES = /** @type {const} */ (["guideline", "aggressive"]);

const fixed = (value, digits = 1) => value.toFixed(digits);

function statisticsRow(name, results) {
  const seconds = results.map((result) => result.seconds).filter((value) => value !== null);
  const never = results.length - seconds.length;
  if (seconds.length === 0) return [name, String(results.length), String(never), "-", "-", "-", "-", "-"];
  return [
    name,
    String(results.length),
    String(never),
    fixed(mean(seconds), 2),
    fixed(median(seconds), 0),
    fixed(quantile(seconds, 0.95), 0),
    fixed(Math.min(...seconds), 0),
    fixed(Math.max(...seconds), 0),
  ];
}

/** The floor at the starts of `results`. */
function floorsOf(oracle, floor, results) {
  return results.map(({ offset }) => {
    const start = oracle.firstGst + offset;
    const found = floor(start);
    return { offset, seconds: found === null ? null : found.end - start, by: found?.by ?? [] };
  });
}

/** Ours against the floor: mean over mean, and the starts where they differ. */
function againstFloor(results, floors) {
  let ours = 0;
  let floor = 0;
  let below = 0;
  const above = [];
  results.forEach(({ offset, seconds }, i) => {
    const best = floors[i].seconds;
    if (seconds === null || best === null) {
      if (best !== null) above.push({ offset, seconds, floor: best, excess: Infinity, by: floors[i].by });
      return;
    }
    ours += seconds;
    floor += best;
    if (seconds < best) below++;
    if (seconds > best)
      above.push({ offset, seconds, floor: best, excess: seconds - best, by: floors[i].by });
  });
  above.sort((a, b) => b.excess - a.excess);
  return { ratio: ours / floor, below, above };
}

/** Starts of ours and of the peer at the same TOW. */
function againstPeer(results, firstTow, peer) {
  const ours = [];
  const off = [];
  const best = [];
  let aboveOff = 0;
  let aboveBest = 0;
  for (const { offset, seconds } of results) {
    const other = peer.get(firstTow + offset);
    if (other === undefined) continue;
    ours.push(seconds ?? Infinity);
    off.push(other.off);
    best.push(other.best);
    if (seconds === null || seconds > other.off) aboveOff++;
    if (seconds === null || seconds > other.best) aboveBest++;
  }
  return { starts: ours.length, ours: mean(ours), off: mean(off), best: mean(best), aboveOff, aboveBest };
}

/**
 * @param {import("./lib/material.mjs").Material} material
 * @param {{ step?: number, warmStep?: number, plot?: string | undefined, docs?: string | undefined, json?: string | undefined, print?: (line: string) => void }} options
 */
export function benchTtfaf(material, options = {}) {
  const { step = 1, warmStep = 1, plot, docs, json, print = console.log } = options;
  const isLeuven = material.name === leuven()?.name;
  const pages = timedPages(material.capture);
  const firstTow = pages[0].gst % SECONDS_IN_WEEK;
  print(`${material.name}: ${pages.length} pages; starts every ${step} s (hot), ${warmStep} s (warm)`);
  const hot = startOf(material, "hot");
  const oracle = createOracle(pages, hot.rootKey, hot.keys[0].type);

  const rows = [["start, rule", "starts", "never", "mean", "median", "P95", "min", "max"]];
  const notes = [];
  const ratios = [];
  const curves = {};
  for (const rule of RULES) {
    const results = engineStarts(pages, hot, rule, step);
    const floorOf = oracle.floor(rule);
    const strictOf = oracle.floor(rule, { headerNeeded: true, exclusive: true });
    const floors = floorsOf(oracle, floorOf, results);
    const strict = floorsOf(oracle, strictOf, results);
    rows.push(statisticsRow(`hot, ${rule}`, results));
    rows.push(statisticsRow(`  floor`, floors));
    rows.push(statisticsRow(`  floor, narrower reading`, strict));
    curves[rule] = results;
    curves[`${rule}Floor`] = floors;
    const { ratio, below, above } = againstFloor(results, floors);
    const worst = above.length === 0 ? 0 : above[0].excess;
    ratios.push({ name: `TTFAF over floor, hot ${rule}`, ratio, goal: 1.01 });
    notes.push(
      `hot ${rule}: ${fixed(ratio, 4)} of the floor; above it at ${above.length} of ${results.length} starts, by at most ${worst} s; below it at ${below} (must be 0)`,
    );
    for (const { offset, seconds, floor, by } of above.slice(0, 5)) {
      notes.push(
        `  start ${firstTow + offset}: ${seconds} s, floor ${floor} s by ${by.map(({ what }) => what).join("; ")}`,
      );
    }
    if (isLeuven) {
      notes.push(...peerNotes("hot", rule, results, firstTow, step));
      ratios.push(...targets(rule, results, firstTow));
    }
  }
  for (const rule of RULES) {
    const warm = startOf(material, "warm");
    const results = engineStarts(pages, warm, rule, warmStep);
    rows.push(statisticsRow(`warm, ${rule}`, results));
    const floors = floorsOf(oracle, oracle.warmFloor(rule), results);
    const narrow = { padding: true, dsmHeaderNeeded: true };
    const strict = floorsOf(oracle, oracle.warmFloor(rule, narrow), results);
    rows.push(statisticsRow(`  floor`, floors));
    rows.push(statisticsRow(`  floor, narrower reading`, strict));
    const { ratio, below, above } = againstFloor(results, floors);
    ratios.push({ name: `TTFAF over floor, warm ${rule}`, ratio, goal: 1.01 });
    notes.push(
      `warm ${rule}: ${fixed(ratio, 4)} of the floor, ${fixed(againstFloor(results, strict).ratio, 4)} of the narrower one; above the floor at ${above.length} of ${results.length} starts, by at most ${above[0]?.excess ?? 0} s; below it at ${below} (must be 0)`,
    );
    if (isLeuven) notes.push(...peerNotes("warm", rule, results, firstTow, warmStep));
  }
  print(table(rows));
  for (const note of notes) print(note);

  const peer = isLeuven ? peerStarts("hot") : null;
  if (plot !== undefined) writeFileSync(plot, plotSvg(material.name, firstTow, curves, peer));
  if (docs !== undefined) putResults(docs, rows, notes);
  if (json !== undefined) writeFileSync(json, JSON.stringify({ name: material.name, firstTow, curves }));
  return { ratios };
}

/** The project's targets on the real capture, as ratios. */
function targets(rule, results, firstTow) {
  const seconds = results.map((result) => result.seconds ?? Infinity);
  const peer = peerStarts("hot");
  if (rule === "aggressive") {
    return [
      { name: "TTFAF mean over 70 s, hot aggressive", ratio: mean(seconds) / 70, goal: 1 },
      { name: "TTFAF minimum over 44 s, hot aggressive", ratio: Math.min(...seconds) / 44, goal: 1 },
    ];
  }
  return [
    { name: "TTFAF mean over 79 s, hot guideline", ratio: mean(seconds) / 79, goal: 1 },
    ...(peer === null
      ? []
      : [
          {
            name: "starts above the peer's off, hot guideline",
            ratio: againstPeer(results, firstTow, peer).aboveOff,
            goal: 0,
          },
        ]),
  ];
}

/** Puts the results between the markers of a Markdown file. */
function putResults(path, rows, notes) {
  const text = readFileSync(path, "utf8");
  const [begin, end] = ["<!-- results -->", "<!-- end of results -->"];
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${path} has no markers for the results`);
  const row = (cells) => `| ${cells.map((cell) => cell.replace(/^ +/, "– ")).join(" | ")} |`;
  const [head, ...body] = rows;
  const processor = `${cpus().length} shared cores, ${cpus()[0]?.model.trim() ?? "unknown"}, Node ${process.versions.node}`;
  const lines = [
    `Measured ${new Date().toISOString().slice(0, 10)} (${processor}) by \`npm run build && node bench/ttfaf.mjs --plot docs/ttfaf-leuven.svg --docs docs/ttfaf.md\`; seconds.`,
    "The figures do not depend on the machine: they count signal time.",
    "",
    row(head),
    row(head.map((_, column) => (column === 0 ? "---" : "---:"))),
    ...body.map(row),
    "",
    ...notes.map((note) => (note.startsWith("  ") ? `  * ${note.trim()}` : `* ${note}`)),
  ];
  writeFileSync(path, `${before}${begin}\n\n${lines.join("\n")}\n\n${end}${after}`);
}

function peerNotes(mode, rule, results, firstTow, step) {
  const peer = peerStarts(mode);
  if (peer === null) return [`${mode} ${rule}: no figures of the peer here`];
  const at = againstPeer(results, firstTow, peer);
  if (at.starts === 0) return [`${mode} ${rule}: no start in common with the peer's (step ${step} s)`];
  return [
    `${mode} ${rule}, ${at.starts} starts in common with the peer: ours ${fixed(at.ours)} s, its off ${fixed(at.off)}, its best ${fixed(at.best)}; above its off at ${at.aboveOff}${rule === "guideline" && mode === "hot" ? " (must be 0)" : ""}, above its best at ${at.aboveBest}`,
  ];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      step: { type: "string", default: "1" },
      "warm-step": { type: "string", default: "1" },
      plot: { type: "string" },
      docs: { type: "string" },
      json: { type: "string" },
    },
  });
  const known = leuven() ?? simulated();
  const [capture] = positionals;
  // Another capture is tried with the same trust material: right for the operational service, else use the CLI.
  const material = capture === undefined ? known : { ...known, name: capture, capture };
  benchTtfaf(material, {
    step: Number(values.step),
    warmStep: Number(values["warm-step"]),
    plot: values.plot,
    docs: values.docs,
    json: values.json,
  });
}

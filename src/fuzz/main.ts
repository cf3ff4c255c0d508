/**
 * `npm run fuzz -- --minutes N --seed S [--capture FILE]...`: mutations until the time is over. Ends with status 1 at
 * the first thing that is broken, and leaves the input that broke it (docs/attacks.md).
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { evidenceText, givenBase, ownBase, vectorOf, XML_FILES } from "./bases.js";
import { mutate } from "./mutations.js";
import {
  codecTarget,
  evidenceTarget,
  exportTarget,
  framerTarget,
  vectorTarget,
  xmlTarget,
  type Target,
} from "./other-targets.js";
import { Broken, framesOf, PipelineTarget } from "./pipeline-target.js";
import { Random } from "./random.js";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    start: { type: "string", default: "0" },
    capture: { type: "string", multiple: true, default: [] },
  },
});
const minutes = Number(values.minutes);
const first = Number(values.start);
if (!(minutes > 0) || !Number.isInteger(first) || first < 0) {
  process.stderr.write("fuzz: --minutes takes a positive number, --start a whole one from 0.\n");
  process.exit(2);
}

const nominal = ownBase("nominal", 0, 0.5);
const bases = [
  nominal,
  ownBase("nominal", 0.3, 1),
  ownBase("cold-start"),
  ...["npk", "crev", "eoc", "pkrev-p521", "nmt", "alert", "forged-tags", "week-rollover", "damaged"].map(
    (name) => ownBase(name),
  ),
  ...values.capture.map(givenBase),
];
const pipeline = new PipelineTarget(bases);
const evidence = evidenceText(nominal);
const vector = vectorTarget(vectorOf(nominal.bytes).subarray(0, 40_000));
const frames = framesOf(nominal.bytes);
/** By name; the pipeline has half of the time. */
const targets: readonly (readonly [name: string, target: Target, weight: number])[] = [
  [
    "pipeline",
    (random) => {
      pipeline.once(random);
    },
    10,
  ],
  ["framer", framerTarget(nominal.bytes), 200],
  ["codec", codecTarget, 2000],
  ["GSC XML", xmlTarget(XML_FILES), 50],
  ["evidence", evidenceTarget(evidence.text, evidence.roots), 10],
  ["vector CSV", vector, 10],
  ["export", exportTarget((random) => mutate(frames, random, frames, 6).bytes), 5],
];

const until = performance.now() + minutes * 60_000;
const counts = new Map<string, number>();
let shown = 0;
let round = first;
try {
  for (; performance.now() < until; round++) {
    for (const [name, target, weight] of targets) {
      for (let i = 0; i < weight && performance.now() < until; i++) {
        target(new Random(`${values.seed} ${round} ${name} ${i}`));
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }
    if (performance.now() - shown > 5000) {
      shown = performance.now();
      progress();
    }
  }
  progress();
  process.stdout.write("nothing broken\n");
} catch (error) {
  if (!(error instanceof Broken)) throw error;
  const path = `fuzz-broken-${values.seed}-${round}.bin`;
  writeFileSync(path, error.input);
  process.stdout.write(
    `\nBROKEN in round ${round}: ${error.message}\nThe input is in ${path}; again with --seed ${values.seed} --start ${round}\n`,
  );
  process.exitCode = 1;
} finally {
  vector.end();
}

function progress(): void {
  const left = Math.max(0, Math.round((until - performance.now()) / 1000));
  const megabytes = Math.round(process.memoryUsage().heapUsed / 1e6);
  const done = [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
  process.stdout.write(`round ${round}, ${left} s left, heap ${megabytes} MB: ${done}\n`);
}

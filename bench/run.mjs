/** `npm run bench`: every benchmark, and a table of its ratios against their goals. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { benchCost } from "./cost.mjs";
import { leuven, projectRoot, simulated } from "./lib/material.mjs";
import { table } from "./lib/statistics.mjs";
import { benchHttp } from "./http.mjs";
import { benchLive } from "./live.mjs";
import { benchPipeline } from "./pipeline.mjs";
import { benchPosition } from "./position.mjs";
import { benchTtfaf } from "./ttfaf.mjs";

if (!existsSync(join(projectRoot, "dist", "bin", "osnmad.js"))) {
  console.error("There is no build: run npm run build first.");
  process.exit(1);
}

const real = leuven();
if (real === null) {
  console.log(
    "Skipped: the real capture and the peer's figures are not on this machine (set OSNMAD_SHARED to their folder).\n" +
      "Its targets are not checked; the simulated capture stands in for what it can.\n",
  );
}
const simulatedOnly = real === null ? " (simulated capture)" : "";
console.log("— Time to first authenticated fix —");
const ttfaf = benchTtfaf(real ?? simulated());
console.log("\n— Cost —");
const cost = benchCost();
const none = { ratios: [] };
console.log("\n— Position —");
const position = real === null ? none : benchPosition({ noise: false });
console.log("\n— Full pipeline —");
const pipeline = benchPipeline();
/** The goals speak of a million fixes: `node bench/http.mjs` stores that many (6 GB). */
const FIXES = 20_000;
console.log(`\n— HTTP, ${FIXES} fixes stored —`);
const http = await benchHttp(FIXES);
console.log("\n— Live, in real time: four minutes —");
const live = await benchLive();

const rows = [["ratio", "measured", "goal", ""]];
for (const { name, ratio, goal } of [
  ...ttfaf.ratios.map((row) => ({ ...row, name: row.name + simulatedOnly })),
  ...cost.ratios,
  ...position.ratios,
  ...pipeline.ratios,
  ...http.ratios,
  ...live.ratios,
]) {
  rows.push([
    name,
    ratio.toFixed(3),
    goal === null ? "-" : `<= ${goal}`,
    goal === null ? "" : ratio <= goal ? "met" : "MISSED",
  ]);
}
console.log(`\n${table(rows)}`);

/** Builds every scenario of a folder into it: `npm run captures` (by default `captures/`). */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildCapture, captureFiles, captureNames } from "./captures.js";

const folder = process.argv[2] ?? "captures";
let total = 0;
for (const name of captureNames(folder)) {
  const capture = buildCapture(folder, name);
  for (const [path, bytes] of captureFiles(capture)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  total += capture.ubx.length;
  process.stdout.write(
    `${name.padEnd(18)} ${String(capture.ubx.length).padStart(8)} B  ${capture.header.what}\n`,
  );
}
process.stdout.write(`${"total".padEnd(18)} ${String(total).padStart(8)} B\n`);

// Gathers the compiled program into dist/bin: one file each for what commands share and load. tsc alone leaves some
// 60 modules, and Node's loader takes about 1 ms of CPU for each, a tenth of what a whole replay costs
// (docs/hot-paths.md). Packages of others stay where npm put them.
import { chmodSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = `${root}dist/bin`;
rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: { osnmad: `${root}dist/cli/main.js` },
  platform: "node",
  external: (id) => !id.startsWith(".") && !id.startsWith("/") && id !== "gnss-ubx",
});
await bundle.write({ dir: out, format: "esm", chunkFileNames: "[name]-[hash].js" });
await bundle.close();
chmodSync(`${out}/osnmad.js`, 0o755);

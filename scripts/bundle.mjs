// Gathers the compiled program into dist/bin: few files, without comments. tsc leaves some 60 modules, and Node's
// loader takes about 1 ms of CPU for each, a tenth of what a whole replay costs (docs/hot-paths.md). What a replay
// loads is one file, with the two packages it needs. typebox alone would be some 370 more files for a server; other
// packages stay where npm put them.
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = `${root}dist/bin`;
/** Packages taken in whole; their licences go along. */
const TAKEN_IN = ["commander", "saxes", "typebox", "xmlchars"];
/** What `osnmad replay` loads. */
const CORE =
  /\/dist\/(cli\/(v8-flags|replay-run|json-lines|trust-options|commands\/replay)\.|(inav|osnma|trust)\/|(pipeline\/pipeline|source\/capture))|\/(gnss-ubx\/dist|saxes|xmlchars|commander)\//;

/** Files of dist/bin whose names stay: the program, and what it starts as a thread. */
const entries = JSON.parse(readFileSync(`${root}scripts/entries.json`, "utf8"));

const isPartOf = (id, name) => id === name || id.startsWith(`${name}/`);
const isOurs = (id) => /^[./\0]/.test(id) || id === "gnss-ubx";

/** Commander can start sub-commands as processes, which nothing here does: loading that half costs 3 ms. */
const withoutProcesses = {
  name: "without-processes",
  resolveId: (id, importer) =>
    id === "node:child_process" && importer?.includes("/commander/") ? "\0no-processes" : null,
  load: (id) => (id === "\0no-processes" ? { code: "module.exports = {};", moduleType: "js" } : null),
};

rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: Object.fromEntries(
    Object.entries(entries).map(([name, module]) => [name, `${root}dist/${module}.js`]),
  ),
  platform: "node",
  external: (id) => !isOurs(id) && !TAKEN_IN.some((name) => isPartOf(id, name)),
  plugins: [withoutProcesses],
});
await bundle.write({
  dir: out,
  format: "esm",
  chunkFileNames: "[name]-[hash].js",
  // Names stay, so that a stack trace says where.
  minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  codeSplitting: { groups: [{ name: "core", test: CORE }] },
});
await bundle.close();
const licences = TAKEN_IN.map((name) => {
  const folder = `${root}node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  let text = "";
  try {
    text = readFileSync(`${folder}/LICENSE`, "utf8");
  } catch {
    // Not every package carries the text; its manifest names the licence.
  }
  return `${name} ${version} (${license})\n\n${text}`;
});
writeFileSync(`${out}/LICENSES.txt`, licences.join("\n\n"));
chmodSync(`${out}/osnmad.js`, 0o755);

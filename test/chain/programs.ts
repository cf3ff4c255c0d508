/** Programs as processes for tests that kill them: each one file made of the sources, which starts in a moment. */
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const repository = fileURLToPath(new URL("../../", import.meta.url));

/** Writes `<name>.js` below `folder` for each source; returns the folder with them. */
export async function bundleInto(folder: string, sources: Readonly<Record<string, string>>): Promise<string> {
  const input = Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [name, join(repository, source)]),
  );
  const bundle = await rolldown({
    input,
    platform: "node",
    external: (id) => !/^[./\\0]/.test(id) && id !== "gnss-ubx",
  });
  // As deep as the program is, so that it finds its package.json.
  const out = join(folder, "dist", "bin");
  mkdirSync(out, { recursive: true });
  await bundle.write({ dir: out, format: "esm" });
  await bundle.close();
  copyFileSync(join(repository, "package.json"), join(folder, "package.json"));
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  return out;
}

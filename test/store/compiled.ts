/** Parts of the program as JavaScript in a folder, for tests that need a process of their own to kill. */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** What the store is made of: it reads evidence, and evidence reads what it is about. */
export const STORE_PARTS = [
  "store",
  "evidence",
  "position",
  "ephemeris",
  "osnma",
  "inav",
  "trust/folder.ts",
  "errors.ts",
];

const repository = fileURLToPath(new URL("../../", import.meta.url));

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesBelow(join(path, name)));
}

/** Writes files and folders of src (`store`, `errors.ts`) below `folder` and returns where src is there. */
export function compileInto(folder: string, parts: readonly string[]): string {
  for (const file of parts.flatMap((part) => filesBelow(join(repository, "src", part)))) {
    const target = join(folder, relative(repository, file)).replace(/\.ts$/, ".js");
    mkdirSync(dirname(target), { recursive: true });
    const { outputText } = ts.transpileModule(readFileSync(file, "utf8"), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
      },
    });
    writeFileSync(target, outputText);
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  return join(folder, "src");
}

/** Modules of the program as JavaScript in a folder, for tests that need a process of their own to kill. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
};

/**
 * Writes modules (`src/store/store.ts`, paths from the repository's root), and all that they import by a relative path,
 * below `folder`, and returns where src is there. A package is imported from the repository's node_modules.
 */
export function compileInto(folder: string, modules: readonly string[]): string {
  const waiting = modules.map((module) => join(repository, module));
  const seen = new Set(waiting);
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const { outputText } = ts.transpileModule(readFileSync(file, "utf8"), { compilerOptions });
    const target = join(folder, relative(repository, file)).replace(/\.ts$/, ".js");
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
    // Of the output, where imports of types are gone.
    for (const { fileName } of ts.preProcessFile(outputText).importedFiles) {
      const imported = join(dirname(file), fileName.replace(/\.js$/, ".ts"));
      if (!fileName.startsWith(".") || seen.has(imported)) continue;
      seen.add(imported);
      waiting.push(imported);
    }
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  if (!existsSync(join(folder, "node_modules"))) {
    symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  }
  return join(folder, "src");
}

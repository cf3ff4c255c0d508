/** Reading the project's own Markdown: pages, and tables under a heading. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The repository's root, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export function docText(page: string): string {
  return readFileSync(`${ROOT}docs/${page}`, "utf8");
}

/** Every Markdown page of docs/, by name. */
export function docPages(): string[] {
  return readdirSync(`${ROOT}docs`).filter((name) => name.endsWith(".md"));
}

/** The cells of the first table after a heading line, without its head. Throws where there is none. */
export function rowsAfter(text: string, heading: string): string[][] {
  const lines = text.split("\n");
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`no heading "${heading}"`);
  const from = lines.findIndex((line, index) => index > start && line.startsWith("|"));
  if (from < 0) throw new Error(`no table after "${heading}"`);
  const rows: string[][] = [];
  for (let i = from + 2; i < lines.length && lines[i].startsWith("|"); i++) {
    rows.push(
      lines[i]
        .slice(1, lines[i].lastIndexOf("|"))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
  }
  return rows;
}

// Writes the table of docs/configuration.md from the schema (dist must be built): npm run build && node scripts/configuration-doc.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { optionTable } from "../dist/daemon/option-table.js";

const path = fileURLToPath(new URL("../docs/configuration.md", import.meta.url));
const text = readFileSync(path, "utf8");
const begin = "<!-- options: begin -->\n";
const end = "<!-- options: end -->";
const from = text.indexOf(begin) + begin.length;
writeFileSync(path, `${text.slice(0, from)}${optionTable()}\n${text.slice(text.indexOf(end))}`);

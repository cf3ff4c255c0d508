/** The options of the configuration as the table of docs/configuration.md, made of the schema. */
import { optionRows } from "./config.js";
import { variableOf } from "./config-sources.js";

export function optionTable(): string {
  const lines: string[] = [];
  let section: string | null = null;
  for (const { name, type, default: value, description, reloadable } of optionRows()) {
    // Each has its own line in docs/consistency-watch.md.
    if (name.startsWith("fix.thresholds.")) continue;
    const here = name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "";
    if (here !== section) {
      section = here;
      lines.push("", here === "" ? "### Top of the file" : `### \`[${here}]\``, "");
      lines.push("| option | values | default | meaning |", "|---|---|---|---|");
    }
    const said = value === null ? "" : `\`${value.replaceAll("|", "\\|")}\``;
    const more = reloadable ? " *Taken over at SIGHUP.*" : "";
    lines.push(
      `| \`${name}\` | ${type} | ${said} | ${description.replaceAll("|", "\\|")}${more} <br>\`${variableOf(name)}\` |`,
    );
  }
  return lines.join("\n");
}

/** `osnmad config`: the configuration's schema, and whether a file is right. */
import type { Command } from "commander";
import { ConfigSchema, optionRows } from "../../daemon/config.js";
import { variableOf } from "../../daemon/config-sources.js";
import { dataDirectoryOf, load } from "./run.js";

export function registerConfig(program: Command): void {
  const command = program
    .command("config")
    .description("The configuration of `osnmad run`: check it, show it, or print its JSON schema");
  command
    .command("check")
    .description(
      "Read the configuration as `osnmad run` would, and say what is set; exit status 2 where it is wrong",
    )
    .option("--config <file>", "TOML configuration (default: the usual places)")
    .option("--json", "the whole configuration, defaults included, as JSON")
    .action((flags: { config?: string; json?: boolean }) => {
      const loaded = load(flags.config, {});
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(loaded.config, null, 2)}\n`);
        return;
      }
      const lines = [
        loaded.file === null ? "no configuration file: defaults and environment" : `${loaded.file} is right`,
        `data_dir is ${dataDirectoryOf(loaded)}`,
        ...[...loaded.said].map(([name, where]) => `${name} from ${where}`),
      ];
      process.stdout.write(`${lines.join("\n")}\n`);
    });
  command
    .command("schema")
    .description("Print the JSON schema of the TOML file, for editors and checks")
    .action(() => {
      const schema = { $schema: "https://json-schema.org/draft/2020-12/schema", ...ConfigSchema };
      process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
    });
  command
    .command("options")
    .description("List every option with its default, its environment variable and its meaning")
    .action(() => {
      for (const { name, type, default: value, description } of optionRows()) {
        process.stdout.write(
          `${name}  (${type}${value === null ? "" : `; default ${value}`}; ${variableOf(name)})\n    ${description}\n`,
        );
      }
    });
}

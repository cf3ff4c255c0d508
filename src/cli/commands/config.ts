/** `osnmad config`: the configuration's schema, and whether a file is right. */
import type { Command } from "commander";
import { optionRows, publishedSchema } from "../../daemon/config.js";
import { variableOf, type LoadedConfig } from "../../daemon/config-sources.js";
import { OsnmadError } from "../../errors.js";
import { loadTrust } from "../../trust/material.js";
import { TokenWatch } from "../../store/token-file.js";
import { assertMayListen } from "../serving.js";
import { dataDirectoryOf, loadRunnable, trustFilesOf } from "./run.js";

export function registerConfig(program: Command): void {
  const command = program
    .command("config")
    .description("The configuration of `osnmad run`: check it, show it, or print its JSON schema");
  command
    .command("check")
    .description(
      "Read the configuration as `osnmad run` would, key files included, and say what is set; exit status 2 where it " +
        "is wrong. `osnmad doctor` looks at the machine and the receiver as well",
    )
    .option("--config <file>", "TOML configuration (default: the usual places)")
    .option("--json", "the whole configuration, defaults included, as JSON")
    .action(async (flags: { config?: string; json?: boolean }) => {
      const loaded = loadRunnable(flags.config, {});
      loadTrust(trustFilesOf(loaded.config));
      const note = await tokenNote(loaded);
      if (note !== null) process.stderr.write(`osnmad: ${note}\n`);
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
      const schema = { $schema: "https://json-schema.org/draft/2020-12/schema", ...publishedSchema() };
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

/** A token is of the data folder, not of the file: a run without it is refused, and the file may be right. */
async function tokenNote(loaded: LoadedConfig): Promise<string | null> {
  const { enabled, host, port, allow_remote, require_token } = loaded.config.http;
  if (!enabled) return null;
  const listening = { host, port, allowRemote: allow_remote, requireToken: require_token };
  try {
    await assertMayListen(listening, new TokenWatch(dataDirectoryOf(loaded)));
    return null;
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return `${error.message} A run would be refused (${error.code}).`;
  }
}

/** `osnmad config`: the configuration's schema, and whether a file is right. */
import type { Command } from "commander";
import { join } from "node:path";
import { optionRows, publishedSchema } from "../../daemon/config.js";
import { variableOf, type LoadedConfig } from "../../daemon/config-sources.js";
import { OsnmadError } from "../../errors.js";
import { readKey } from "../../station/key-file.js";
import { KEY_FILE } from "../../station/station-log.js";
import { TokenWatch } from "../../store/token-file.js";
import { stationFolder } from "../live-station.js";
import { assertFiles, openSecrets } from "../named-files.js";
import { assertMayListen } from "../serving.js";
import { dataDirectoryOf, loadRunnable, materialOf } from "./run.js";

export function registerConfig(program: Command): void {
  const command = program
    .command("config")
    .description("check or show the configuration of `osnmad run`, or print its JSON schema");
  command
    .command("check")
    .summary("say what is set, and what a run would refuse")
    .description(
      "Reads the configuration as `osnmad run` would, with every file that it names, and says what is set; the exit " +
        "status is not 0 where it is wrong. `osnmad doctor` looks at the machine and the receiver as well.",
    )
    .option("--config <file>", "TOML configuration (default: the usual places)")
    .option("--json", "the whole configuration, defaults included, as JSON")
    .action(async (flags: { config?: string; json?: boolean }) => {
      const loaded = loadRunnable(flags.config, {});
      await assertFiles(loaded.config);
      for (const note of await notesOf(loaded)) process.stderr.write(`osnmad: ${note}\n`);
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
    .description("print the JSON schema of the TOML file, for editors and checks")
    .action(() => {
      const schema = { $schema: "https://json-schema.org/draft/2020-12/schema", ...publishedSchema() };
      process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
    });
  command
    .command("options")
    .description("list every option with its default, its environment variable and its meaning")
    .action(() => {
      for (const { name, type, default: value, description } of optionRows()) {
        process.stdout.write(
          `${name}  (${type}${value === null ? "" : `; default ${value}`}; ${variableOf(name)})\n    ${description}\n`,
        );
      }
    });
}

/**
 * What a run would say at its start though the configuration is right: state, tokens and the station's key are of the
 * data folder, not of the file.
 */
async function notesOf(loaded: LoadedConfig): Promise<string[]> {
  const { http, station } = loaded.config;
  const dataDirectory = dataDirectoryOf(loaded);
  const notes = openSecrets(loaded.config).map(({ found, remedy }) => `${found}. ${remedy}`);
  const tried = async <T>(action: () => T | Promise<T>, what: string): Promise<T | null> => {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      notes.push(`${error.message.replace(/\.?$/, ".")} ${what} (${error.code}). ${error.remedy}`);
      return null;
    }
  };
  const refused = "A run would be refused";
  const material = await tried(() => materialOf(loaded), refused);
  notes.push(...(material?.warnings ?? []));
  if (http.enabled) {
    const { host, port, allow_remote: allowRemote, require_token: requireToken } = http;
    const listening = { host, port, allowRemote, requireToken };
    await tried(() => assertMayListen(listening, new TokenWatch(dataDirectory)), refused);
  }
  if (station.enabled && material !== null) {
    const folder = stationFolder(dataDirectory, material.simulated ? "simulated" : "live");
    await tried(() => readKey(join(folder, KEY_FILE)), "A run would keep no station log");
  }
  return notes;
}

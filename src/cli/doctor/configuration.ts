/** What `osnmad doctor` says of the configuration that a run would take. Edge: reads the file. */
import { statSync } from "node:fs";
import type { LoadedConfig } from "../../daemon/config-sources.js";
import { OsnmadError } from "../../errors.js";
import { fileFaults, openSecrets } from "../named-files.js";
import { configurationFaults } from "../runnable.js";
import { load } from "../commands/run.js";
import { ok, problem, warning, type Check } from "./check.js";

/** Where it cannot be read the rest is looked at with what the command line says and the defaults. */
export async function checkConfiguration(
  file: string | undefined,
  flags: Record<string, unknown>,
): Promise<{ readonly checks: readonly Check[]; readonly loaded: LoadedConfig }> {
  try {
    const loaded = load(file, flags);
    return { checks: [await configurationCheck(loaded)], loaded };
  } catch (error) {
    if (!(error instanceof OsnmadError) || error.code === "OSN_USAGE") throw error;
    return {
      checks: [problem("configuration", error.message, error.remedy)],
      loaded: load("/dev/null", flags),
    };
  }
}

async function configurationCheck({ file, config, said }: LoadedConfig): Promise<Check> {
  // What may be listened on and what is trusted have checks of their own.
  const faults = [...configurationFaults(config), ...(await fileFaults(config))].filter(
    ({ code }) => code !== "OSN_LISTEN_REFUSED" && !code.startsWith("OSN_TRUST_"),
  );
  if (faults.length > 0) {
    return problem("configuration", faults.map(({ message }) => message).join(" "), faults[0].remedy);
  }
  const [open] = openSecrets(config);
  if (open !== undefined) {
    return warning("configuration", open.found, open.remedy);
  }
  if (file === null) {
    return ok("configuration", `no file; ${said.size === 0 ? "defaults" : `${said.size} option(s) set`}`);
  }
  const found = `${file}; ${said.size} option(s) set`;
  const secrets = [...config.emit.prover_push, ...config.emit.federation_push].some((target) =>
    target.includes(" "),
  );
  if (secrets && (statSync(file).mode & 0o044) !== 0) {
    return warning("configuration", `${found}; others can read the tokens in it`, `chmod go-r ${file}`);
  }
  return ok("configuration", found);
}

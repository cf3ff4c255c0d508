/** `osnmad key show | export-public | rotate`: the identity of this station. */
import type { Command } from "commander";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { leavesTold } from "../../emit/outbox.js";
import { OsnmadError } from "../../errors.js";
import type { Mode } from "../../pipeline/records.js";
import { stationIdOf } from "../../station/history.js";
import { readKey } from "../../station/key-file.js";
import { ED25519, formatVerifierKey, verifierKey } from "../../station/note.js";
import { originOf } from "../../station/origin.js";
import { KEY_FILE, StationLog, storedOrigin } from "../../station/station-log.js";
import { defaultDataDirectory } from "../data-directory.js";
import { SOFTWARE_VERSION } from "../version.js";

/** Folder of the station's key and log in the data folder. */
export const STATION_FOLDER = "station";
const SIMULATED_FOLDER = "station-simulated";

export interface KeyCommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const PROCESS_IO: KeyCommandIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

interface KeyFlags {
  readonly dataDir: string;
  readonly simulated?: boolean;
  readonly json?: boolean;
}

export function registerKey(program: Command, io: KeyCommandIo = PROCESS_IO): void {
  const key = program
    .command("key")
    .summary("the key that this station signs its log with")
    .description(
      "The key that this station signs its log with. It is made at the first start of a station, or before by\n" +
        "`osnmad key make`, and names the station: whoever follows or witnesses the log is configured with it.",
    );
  const dataDirectory = defaultDataDirectory(process.env, homedir());

  key
    .command("make")
    .description(
      "make key and empty log before the first start, so that witnesses can be given the line; prints it",
    )
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .action((flags: KeyFlags) => {
      const directory = join(resolve(flags.dataDir), STATION_FOLDER);
      if (existsSync(join(directory, KEY_FILE))) {
        throw new OsnmadError("OSN_USAGE", `${directory} has a key already; see osnmad key show.`);
      }
      StationLog.open({ directory, mode: "live" }).close();
      io.out(`${identityIn(flags).line}\n`);
    });

  key
    .command("show")
    .description("show station id, origin and public key")
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .option("--simulated", "the key of the station that simulated runs have")
    .option("--json", "one JSON object")
    .action((flags: KeyFlags) => {
      const { id, origin, line } = identityIn(flags);
      if (flags.json === true) io.out(`${JSON.stringify({ station: id, origin, key: line })}\n`);
      else io.out(`station  ${id}\norigin   ${origin}\nkey      ${line}\n`);
    });

  key
    .command("export-public")
    .description("print the verifier key, the line that `osnmad witness --station` takes")
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .option("--simulated", "the key of the station that simulated runs have")
    .action((flags: KeyFlags) => {
      io.out(`${identityIn(flags).line}\n`);
    });

  key
    .command("rotate")
    .summary("make a new key, and say in which order what is started again")
    .description(
      "Makes a new key. 1. Stop the daemon. 2. `osnmad key rotate` prints the new line. 3. Start each witness again " +
        "with both lines, the older first: --station OLD --station NEW. 4. Start the daemon: both keys sign for the " +
        "rotation, and the old one then signs nothing more. Followers may keep the old line: they learn the new key " +
        "from the log",
    )
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .option("--simulated", "the key of the station that simulated runs have")
    .action(async (flags: KeyFlags) => {
      const directory = folderOf(flags);
      const { line: before } = identityIn(flags);
      const log = StationLog.open({ directory, mode: modeOf(flags), toldSize: leavesTold(directory) });
      try {
        const { history } = log;
        if (history === null) {
          throw new OsnmadError("OSN_USAGE", "The station has no log yet, so there is nothing to hand over.");
        }
        const { completeOutbox } = await import("../complete-outbox.js");
        await completeOutbox(log, resolve(flags.dataDir));
        const time = { assurance: "none", boundMs: null } as const;
        await log.rotate({ softwareVersion: SOFTWARE_VERSION, time, receiver: history.receiver });
        io.out(`${formatVerifierKey(log.key)}\n`);
        io.err(
          `The rotation is in leaf ${log.size - 1}, signed at the next start. Before that start each witness again with both lines:\n` +
            `  --station ${before} --station ${formatVerifierKey(log.key)}\n`,
        );
      } finally {
        log.close();
      }
    });
}

function folderOf({ dataDir, simulated }: KeyFlags): string {
  return join(resolve(dataDir), simulated === true ? SIMULATED_FOLDER : STATION_FOLDER);
}

function modeOf({ simulated }: KeyFlags): Mode {
  return simulated === true ? "simulated" : "live";
}

/** From the files alone, so that it also answers while a daemon has the log. */
function identityIn(flags: KeyFlags): {
  readonly id: string;
  readonly origin: string;
  readonly line: string;
} {
  const directory = folderOf(flags);
  const signer = readKey(join(directory, KEY_FILE));
  if (signer === null) {
    const other = flags.simulated === true ? STATION_FOLDER : SIMULATED_FOLDER;
    const isThere = existsSync(join(resolve(flags.dataDir), other, KEY_FILE));
    const hint = flags.simulated === true ? "leave --simulated out" : "add --simulated";
    throw new OsnmadError(
      "OSN_USAGE",
      `${directory} has no key yet; a station makes it when it first starts.` +
        (isThere ? ` There is one in ${join(resolve(flags.dataDir), other)}: ${hint} for that.` : ""),
    );
  }
  // After a rotation the origin still names the first key; the last checkpoint has it.
  const origin = storedOrigin(directory) ?? originOf(stationIdOf(signer.publicKey), modeOf(flags));
  const id = origin.slice(origin.lastIndexOf("/") + 1);
  return { id, origin, line: formatVerifierKey(verifierKey(origin, ED25519, signer.publicKey)) };
}

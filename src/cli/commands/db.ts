/** `osnmad db backup | check | upgrade`: the database as a whole, also while a daemon uses it. */
import type { Command } from "commander";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { OsnmadError } from "../../errors.js";
import { defaultDataDirectory } from "../data-directory.js";

/** The edges of these commands, to be replaced in tests. */
export interface DbCommandIo {
  readonly out: (text: string) => void;
}

const PROCESS_IO: DbCommandIo = { out: (text) => void process.stdout.write(text) };

interface SharedOptions {
  readonly dataDir: string;
}

/** Adds `db` and its subcommands to the program. */
export function registerDb(program: Command, io: DbCommandIo = PROCESS_IO): void {
  const db = program.command("db").description("back up, check or upgrade the database of fixes");
  const dataDirectory = defaultDataDirectory(process.env, homedir());

  db.command("backup")
    .description("copy the database to a new file, also while a server writes it; the copy is checked")
    .argument("<file>", "file to make; to restore, put it back as osnmad.sqlite while no server runs")
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .action(async (file: string, options: SharedOptions) => {
      const { backupDatabase } = await import("../../store/maintenance.js");
      await backupDatabase(resolve(options.dataDir), resolve(file));
      io.out(`Backed up to ${file}.\n`);
    });

  db.command("check")
    .description("read the whole database and say what is wrong with it")
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .option("--json", "one JSON object")
    .action(async (options: SharedOptions & { readonly json?: boolean }) => {
      const { checkDatabase } = await import("../../store/maintenance.js");
      const report = checkDatabase(resolve(options.dataDir));
      if (options.json === true) io.out(`${JSON.stringify(report)}\n`);
      else {
        const { schema, newestSchema, runs, fixes, events, faults } = report;
        io.out(`schema ${schema}${schema < newestSchema ? ` (upgrade to ${newestSchema} is due)` : ""}\n`);
        io.out(`${runs} runs, ${fixes} fixes, ${events} events\n`);
        for (const fault of faults) io.out(`FAULT ${fault}\n`);
        if (faults.length === 0) io.out("sound\n");
      }
      if (report.faults.length > 0) {
        throw new OsnmadError("OSN_STATE_CORRUPT", `${report.path}: ${report.faults[0]}.`);
      }
    });

  db.command("upgrade")
    .description("bring the database to this version's schema; a server does the same when it starts")
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .action(async (options: SharedOptions) => {
      const { upgradeDatabase } = await import("../../store/maintenance.js");
      const { from, to } = upgradeDatabase(resolve(options.dataDir));
      io.out(from === to ? `Schema ${to} is the newest.\n` : `Upgraded from schema ${from} to ${to}.\n`);
    });
}

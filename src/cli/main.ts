#!/usr/bin/env node
/**
 * The osnmad command. Commands are loaded when they are asked for, so that a replay does not pay for the
 * parts of a server.
 */
import "./v8-flags.js";
import { Command, CommanderError } from "commander";
import { OsnmadError } from "../errors.js";
import { VERSION } from "./version.js";

type Register = (program: Command) => void;

const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => (await import("./commands/run.js")).registerRun,
  doctor: async () => (await import("./commands/doctor.js")).registerDoctor,
  configure: async () => (await import("./commands/configure.js")).registerConfigure,
  config: async () => (await import("./commands/config.js")).registerConfig,
  replay: async () => (await import("./commands/replay.js")).registerReplay,
  inspect: async () => (await import("./commands/inspect.js")).registerInspect,
  capture: async () => (await import("./commands/capture.js")).registerCapture,
  conformance: async () => (await import("./commands/conformance.js")).registerConformance,
  serve: async () => (await import("./commands/serve-command.js")).registerServeCommand,
  token: async () => (await import("./commands/token.js")).registerToken,
  db: async () => (await import("./commands/db.js")).registerDb,
  simulate: async () => (await import("./commands/simulate.js")).registerSimulate,
  trust: async () => (await import("./commands/trust.js")).registerTrust,
  consume: async () => (await import("./commands/consume.js")).registerConsume,
  emission: async () => (await import("./commands/emission.js")).registerEmission,
  export: async () => (await import("./commands/export.js")).registerExport,
  key: async () => (await import("./commands/key.js")).registerKey,
  station: async () => (await import("./commands/station.js")).registerStation,
  witness: async () => (await import("./commands/witness.js")).registerWitness,
  verify: async () => (await import("./commands/verify.js")).registerVerify,
};

async function main(): Promise<void> {
  const program = new Command("osnmad")
    .description(
      "Turns a u-blox receiver's raw data into authenticated Galileo navigation data,\nand says for every datum why it may be believed.",
    )
    .version(VERSION)
    .showHelpAfterError("(osnmad help <command> explains the options)")
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        write(text);
      },
    })
    .addHelpText(
      "after",
      `
Examples:
  osnmad doctor                                 what would keep this machine from authenticating
  osnmad run                                    read the u-blox receiver on USB; http://127.0.0.1:4747
  osnmad serve --replay capture.ubx             replay a capture and serve it likewise
  osnmad replay capture.ubx                     authenticate a capture with the built-in Galileo keys
  osnmad replay - --json < capture.ubx          JSON lines; the last one is the summary
  osnmad inspect capture.ubx                    what is in a capture
  osnmad conformance vectors/                   run GSC's official OSNMA test vectors
  osnmad trust list                             which roots and keys are trusted`,
    );
  const given = process.argv.slice(2);
  // `osnmad help key show`: commander's own help goes one command deep.
  const args = given[0] === "help" && given.length > 2 ? [...given.slice(1), "--help"] : given;
  const asked = args.find((argument) => !argument.startsWith("-"));
  const names = asked !== undefined && asked in COMMANDS ? [asked] : Object.keys(COMMANDS);
  for (const name of names) {
    try {
      (await COMMANDS[name]())(program);
    } catch (error) {
      // The help of all commands does not need what one of them needs.
      if (name === asked || !(withoutStore(error) instanceof OsnmadError)) throw error;
      program.command(name).description("(needs better-sqlite3, which is not installed here)");
    }
  }
  for (const command of program.commands) inherit(command);
  await program.parseAsync(args, { from: "user" });
}

/** Sub-commands end by exception as well, so that every error passes through one place. */
function inherit(command: Command): void {
  command.exitOverride().showHelpAfterError("(add --help to see what it takes)");
  // Help is broken to the width of the terminal: a line that ends in the source ends nowhere.
  const said = command.description().replace(/(\S)\n(?=\S)/g, "$1 ");
  // The same words are an entry in a list of commands, and a sentence on their own page.
  if (command.summary() === "") command.summary(said);
  command.description(said.charAt(0).toUpperCase() + said.slice(1) + (/[.:]$/.test(said) ? "" : "."));
  for (const child of command.commands) inherit(child);
}

/** The database library is optional: npm goes on without it where it cannot be built. */
function withoutStore(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  const isMissing =
    code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND" || code === "ERR_DLOPEN_FAILED";
  if (!isMissing || !(error instanceof Error) || !error.message.includes("better-sqlite3")) return error;
  return new OsnmadError("OSN_STORE_UNAVAILABLE", "This command keeps data and needs better-sqlite3.", {
    cause: error,
  });
}

let terminalClosed = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (terminalClosed) return;
  // Its terminal was closed: a daemon that runs there ends in order, as at a signal.
  if (error.code === "EIO") {
    terminalClosed = true;
    process.kill(process.pid, "SIGTERM");
    return;
  }
  // A reader that went away (`| head`) is no error.
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

// What cannot be told (a full disk behind 2>>) does not end what it tells of.
process.stderr.on("error", () => undefined);

main().catch((thrown: unknown) => {
  const error = withoutStore(thrown);
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  if (error instanceof OsnmadError) {
    process.stderr.write(`osnmad: ${error.message}\n  ${error.code}. ${error.remedy}\n`);
    process.exitCode = error.exitCode;
    return;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `osnmad: a defect in osnmad (OSN_INTERNAL). Please report it with the lines below.\n${detail}\n`,
  );
  process.exitCode = 70;
});

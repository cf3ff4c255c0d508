/**
 * `osnmad simulate --serve pty|tcp`: a receiver made of software, to run the daemon against. The options and the
 * action stand here, so that the command that writes captures only has to call them.
 */
import type { Command } from "commander";
import { Option } from "commander";
import { existsSync, closeSync, openSync, readFileSync, readSync, readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { OsnmadError } from "../../errors.js";
import { CONFIG_KEYS, type ConfigKeyName } from "gnss-ubx";
import type { ScheduledFault } from "../../simulate/receiver/faults.js";
import { parseFault, parseSchedule } from "../../simulate/receiver/faults.js";
import type { FeedEpoch } from "../../simulate/receiver/feed.js";
import { feedOf } from "../../simulate/receiver/feed.js";
import type { ModelName, PortName } from "../../simulate/receiver/models.js";
import { MODEL_NAMES, receiverModel } from "../../simulate/receiver/models.js";
import { PtyLine } from "../../simulate/receiver/pty-line.js";
import { VirtualReceiver } from "../../simulate/receiver/receiver.js";
import { ServedReceiver } from "../../simulate/receiver/served-receiver.js";
import { TcpLine } from "../../simulate/receiver/tcp-line.js";

const CHUNK_BYTES = 64 * 1024;

export interface ServeFlags {
  readonly serve?: "pty" | "tcp";
  readonly link?: string;
  readonly listen?: string;
  readonly model?: ModelName;
  readonly receiverPort?: "usb" | "uart1";
  readonly speed?: number;
  readonly wait?: boolean;
  readonly loop?: boolean;
  readonly start?: "running" | "hot" | "warm" | "cold";
  readonly streaming?: boolean;
  readonly uniqueId?: string;
  readonly faults?: string;
}

/** Adds what `--serve` takes to the command that reads a scenario. */
export function addServeOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--serve <line>", "be a receiver: on a pseudo-terminal (needs python3) or on TCP").choices([
        "pty",
        "tcp",
      ]),
    )
    .option("--link <path>", "pty: a name for the terminal (else /dev/pts/N)")
    .option("--listen <[host:]port>", "tcp: where to listen (default 127.0.0.1 and a free port)")
    .addOption(new Option("--model <model>", "which receiver (default F9P)").choices(MODEL_NAMES))
    .addOption(
      new Option(
        "--receiver-port <port>",
        "its port at which the host is (default: usb where it has one)",
      ).choices(["usb", "uart1"]),
    )
    .option("--speed <factor>", "its seconds in one of ours (default 1)", positive)
    .option("--no-wait", "let time run before a host has opened the port")
    .option("--loop", "begin again when the capture ends (its time jumps back)")
    .addOption(
      new Option("--start <kind>", "how it wakes up (default: running)").choices([
        "running",
        "hot",
        "warm",
        "cold",
      ]),
    )
    .option("--streaming", "every message is switched on already, in flash")
    .option("--unique-id <hex>", "SEC-UNIQID: 10 or 12 hexadecimal digits")
    .option("--faults <file>", 'a schedule: JSON lines, each with the second in "at"');
}

export const SERVE_HELP = `
With --serve, standard output is JSON lines; the first names the port to open.
Lines on standard input are faults:
  {"do":"unplug","seconds":3,"name":"/tmp/b"}   {"do":"stall","seconds":30}
  {"do":"overflow","seconds":5}                 {"do":"garble","seconds":5}
  {"do":"restart","start":"cold"}               {"do":"baud","rate":115200}
  {"do":"replace"}                              {"do":"drop-acks","count":1}
also "status" and "quit".
  osnmad simulate --serve tcp captures/nominal.ubx
  osnmad simulate --serve pty --link /tmp/gnss --model F10T \\
    captures/cold-start.ubx`;

/** The epochs of a capture, read as they are needed; with `loop` without end. */
export function* captureFeed(path: string, loop = false): Generator<FeedEpoch> {
  let fromMs = 0;
  do {
    let last = fromMs;
    for (const epoch of feedOf(fileChunks(path))) {
      last = fromMs + epoch.atMs;
      yield { ...epoch, atMs: last };
    }
    fromMs = last + 1000;
  } while (loop && fromMs > 1000);
}

function* fileChunks(path: string): Generator<Uint8Array> {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (cause) {
    throw new OsnmadError("OSN_CAPTURE_NOT_FOUND", `${path} cannot be opened.`, { cause });
  }
  try {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const length = readSync(descriptor, buffer, 0, buffer.length, null);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Runs until the input says quit, or a signal comes. `feed` is what the receiver hears; its time is 0 at the reading
 * `timeZeroMs` of the monotonic clock, or when the port is there.
 */
export async function serveReceiver(
  feed: Iterable<FeedEpoch>,
  flags: ServeFlags,
  timeZeroMs?: number,
): Promise<void> {
  const tell = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  const model = flags.model ?? "F9P";
  const port = flags.receiverPort?.toUpperCase() as PortName | undefined;
  if (flags.serve === "pty" && flags.link !== undefined) assertLinkIsFree(flags.link);
  const receiver = receiverOf(feed, flags, model, port);
  const { host, port: tcpPort } = listenAddress(flags.listen);
  const served = new ServedReceiver(
    receiver,
    (listeners) =>
      flags.serve === "pty"
        ? new PtyLine(listeners, flags.link ?? null)
        : new TcpLine(listeners, tcpPort, host),
    {
      speed: flags.speed ?? 1,
      waitForHost: flags.wait !== false,
      ...(timeZeroMs === undefined ? {} : { timeZeroMs }),
      onEvent: (event) => {
        tell(event);
      },
    },
  );
  await served.start();
  await new Promise<void>((resolve) => {
    const input = createInterface({ input: process.stdin });
    input.on("line", (line) => {
      const text = line.trim();
      if (text === "") return;
      if (text === "quit") {
        resolve();
        return;
      }
      if (text === "status") {
        tell({ event: "status", ...receiver.status() });
        return;
      }
      try {
        served.fault(parseFault(JSON.parse(text)));
      } catch (error) {
        tell({ event: "refused", message: error instanceof Error ? error.message : String(error) });
      }
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        resolve();
      });
    }
  });
  await served.stop();
  // Standard input would keep the process alive.
  process.stdin.destroy();
}

/** A link that leads to a terminal which is there belongs to a simulation that runs; one that leads nowhere is left over. */
function assertLinkIsFree(link: string): void {
  let target: string;
  try {
    target = readlinkSync(link);
  } catch {
    return;
  }
  if (!existsSync(link)) return;
  throw new OsnmadError(
    "OSN_USAGE",
    `${link} leads to ${target}, which is in use. Stop what serves it, remove the link, or give another --link.`,
  );
}

function receiverOf(
  feed: Iterable<FeedEpoch>,
  flags: ServeFlags,
  model: ModelName,
  port: PortName | undefined,
): VirtualReceiver {
  try {
    return new VirtualReceiver({
      model,
      feed,
      start: flags.start ?? "running",
      schedule: flags.faults === undefined ? [] : readSchedule(flags.faults),
      ...(port === undefined ? {} : { port }),
      ...(flags.uniqueId === undefined ? {} : { uniqueId: flags.uniqueId }),
      ...(flags.streaming === true ? { flash: everything(model) } : {}),
    });
  } catch (error) {
    if (error instanceof RangeError)
      throw new OsnmadError("OSN_USAGE", `${error.message}.`, { cause: error });
    throw error;
  }
}

/** Every UBX message that the model knows, each epoch, at all of its ports. */
export function everything(model: ModelName): ReadonlyMap<ConfigKeyName, number> {
  const { keys } = receiverModel(model);
  const names = (Object.keys(CONFIG_KEYS) as ConfigKeyName[]).filter(
    (key) => key.startsWith("CFG-MSGOUT-UBX_") && (keys === null || keys.has(key)),
  );
  return new Map(names.map((key) => [key, 1]));
}

function readSchedule(path: string): ScheduledFault[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new OsnmadError("OSN_USAGE", `${path} cannot be read.`, { cause });
  }
  return parseSchedule(text);
}

function listenAddress(text: string | undefined): { readonly host: string; readonly port: number } {
  if (text === undefined) return { host: "127.0.0.1", port: 0 };
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw new OsnmadError("OSN_USAGE", `--listen takes a port or host:port, not "${text}".`);
  }
  return { host: match[1]?.replace(/^\[|\]$/g, "") ?? "127.0.0.1", port };
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || value > 1e6)
    throw new OsnmadError("OSN_USAGE", `--speed takes a positive number, not "${text}".`);
  return value;
}

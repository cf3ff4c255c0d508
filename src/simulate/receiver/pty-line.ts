/**
 * A virtual receiver on a pseudo-terminal: the host opens it like a serial port. Node cannot make one, so a small
 * python3 program holds the other end. Unlike socat it sees the rate that the host sets, and lives on when the
 * host closes the port. No rights are needed. Edge.
 */
import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { OsnmadError } from "../../errors.js";
import type { LineListeners, ReceiverLine } from "./line.js";

/**
 * Its output is records: a letter, four bytes of length (little-endian), that many bytes. N is the terminal's name,
 * D data of the host, B the host's rate, O and C that the host opened or closed the port.
 */
const BRIDGE = `
import os, pty, select, signal, struct, sys, termios, time, tty
link = sys.argv[1]
SPEEDS = {getattr(termios, n): int(n[1:]) for n in dir(termios) if n[0] == "B" and n[1:].isdigit()}
def tell(kind, data=b""):
    data = kind + struct.pack("<I", len(data)) + data
    while data:
        data = data[os.write(1, data):]
def stop(*_):
    raise SystemExit
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, signal.SIG_IGN)
master, slave = pty.openpty()
tty.setraw(slave)
name = os.ttyname(slave)
try:
    if link:
        if os.path.islink(link):
            os.unlink(link)
        os.symlink(name, link)
    os.set_blocking(master, False)
    os.close(slave)
    tell(b"N", name.encode())
    waiting, opened, speed = b"", False, None
    poll = select.poll()
    while True:
        poll.register(master, select.POLLIN | (select.POLLOUT if waiting and opened else 0))
        if len(waiting) < 65536:
            poll.register(0, select.POLLIN)
        else:
            try: poll.unregister(0)
            except KeyError: pass
        events = dict(poll.poll(20))
        hung = bool(events.get(master, 0) & select.POLLHUP)
        if hung == opened:
            opened = not hung
            tell(b"O" if opened else b"C")
        if opened:
            now = SPEEDS.get(termios.tcgetattr(master)[5], 0)
            if now != speed:
                speed = now
                tell(b"B", struct.pack("<I", speed))
        if events.get(master, 0) & select.POLLIN:
            try: tell(b"D", os.read(master, 65536))
            except OSError: pass
        if events.get(0, 0):
            got = os.read(0, 65536)
            if not got:
                break
            waiting += got
        if not opened:
            waiting = b""
            time.sleep(0.005)
        elif waiting:
            try: waiting = waiting[os.write(master, waiting[:4096]):]
            except OSError: pass
finally:
    if link and os.path.islink(link) and os.readlink(link) == name:
        os.unlink(link)
`;

const HEADER_BYTES = 5;
/** Beyond this the host takes nothing. */
const HIGH_WATER_BYTES = 16 * 1024;
const STOP_MS = 2_000;

type Bridge = ChildProcessByStdio<Writable, Readable, Readable>;

export class PtyLine implements ReceiverLine {
  readonly listeners: LineListeners;
  #link: string | null;
  #bridge: Bridge | null = null;
  #exited: Promise<void> = Promise.resolve();

  /** `link` is a name for the terminal that stays the same; without it the host opens /dev/pts/N. */
  constructor(listeners: LineListeners, link: string | null = null) {
    this.listeners = listeners;
    this.#link = link;
  }

  /** `name` is another link. Throws OSN_PTY_UNAVAILABLE where python3 is missing or cannot make a terminal. */
  plug(name: string | null): Promise<string> {
    if (name !== null) this.#link = name;
    const bridge: Bridge = spawn("python3", ["-I", "-S", "-c", BRIDGE, this.#link ?? ""], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#bridge = bridge;
    let complaint = "";
    bridge.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-2000);
    });
    this.#exited = new Promise((resolve) => {
      bridge.once("close", () => {
        resolve();
      });
      bridge.once("error", () => {
        resolve();
      });
    });
    return new Promise((resolve, reject) => {
      let named = false;
      const fail = (why: string, cause?: unknown): void => {
        const error = new OsnmadError("OSN_PTY_UNAVAILABLE", `No pseudo-terminal: ${why}.`, { cause });
        if (!named) reject(error);
        else if (this.#bridge === bridge) this.listeners.broken(error);
      };
      bridge.once("error", (cause) => {
        fail(cause.message, cause);
      });
      bridge.once("exit", (code) => {
        fail(`python3 ended with ${code}: ${complaint.trim().split("\n").at(-1) ?? ""}`);
      });
      bridge.stdin.on("error", () => undefined);
      bridge.stdin.on("drain", () => {
        this.listeners.drain();
      });
      bridge.stdout.on(
        "data",
        records((kind, data) => {
          if (this.#bridge !== bridge) return;
          if (kind === "N") {
            named = true;
            resolve(this.#link ?? data.toString());
          } else if (kind === "D") this.listeners.bytes(data);
          else if (kind === "B") this.listeners.baud(data.readUInt32LE(0));
          else this.listeners.host(kind === "O");
        }),
      );
    });
  }

  async unplug(): Promise<void> {
    const bridge = this.#bridge;
    if (bridge === null) return;
    this.#bridge = null;
    bridge.stdin.end();
    bridge.kill("SIGTERM");
    const timer = setTimeout(() => bridge.kill("SIGKILL"), STOP_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  send(bytes: Uint8Array): boolean {
    const input = this.#bridge?.stdin;
    if (input === undefined) return true;
    input.write(bytes);
    return input.writableLength < HIGH_WATER_BYTES;
  }
}

/** Cuts the bridge's output into its records. */
function records(take: (kind: string, data: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32LE(1);
      if (rest.length < HEADER_BYTES + length) return;
      take(String.fromCharCode(rest[0]), rest.subarray(HEADER_BYTES, HEADER_BYTES + length));
      rest = rest.subarray(HEADER_BYTES + length);
    }
  };
}

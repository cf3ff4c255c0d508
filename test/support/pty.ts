/**
 * A pseudo-terminal for tests of the real serial binding. Node cannot make one, python3 can (the build needs it
 * anyway): a child process holds the master's end and passes bytes between it and its own stdin and stdout.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";

const BRIDGE = `
import os, pty, select, sys, termios, tty
master, slave = pty.openpty()
tty.setraw(slave)
speeds = {getattr(termios, n): int(n[1:]) for n in dir(termios) if n[0] == "B" and n[1:].isdigit()}
os.write(2, (os.ttyname(slave) + "\\n").encode())
last = None
waiting = b""
while True:
    speed = speeds.get(termios.tcgetattr(slave)[5], 0)
    if speed != last:
        last = speed
        os.write(2, ("baud %d\\n" % speed).encode())
    read, write, _ = select.select([0, master] if len(waiting) < 65536 else [master], [master] if waiting else [], [], 0.02)
    if 0 in read:
        got = os.read(0, 65536)
        if not got:
            break
        waiting += got
    if master in write:
        waiting = waiting[os.write(master, waiting[:2048]):]
    if master in read:
        os.write(1, os.read(master, 65536))
`;

export class Pty {
  readonly path: string;
  readonly #child: ChildProcessWithoutNullStreams;
  #baud = 0;
  readonly #exited: Promise<void>;

  private constructor(path: string, child: ChildProcessWithoutNullStreams) {
    this.path = path;
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once("exit", () => {
        resolve();
      });
    });
    child.stdin.on("error", () => undefined);
  }

  static open(): Promise<Pty> {
    const child = spawn("python3", ["-c", BRIDGE], { stdio: ["pipe", "pipe", "pipe"] });
    return new Promise((resolve, reject) => {
      let text = "";
      let pty: Pty | null = null;
      child.once("error", reject);
      child.once("exit", (code) => {
        reject(new Error(`python3 could not make a pseudo-terminal (${code}): ${text}`));
      });
      child.stderr.setEncoding("utf8").on("data", (more: string) => {
        text += more;
        for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          if (line.startsWith("/dev/")) pty = new Pty(line, child);
          else if (line.startsWith("baud ") && pty !== null) {
            pty.#baud = Number(line.slice(5));
            resolve(pty);
          }
        }
      });
    });
  }

  /** Rate that the other end has set. */
  get baud(): number {
    return this.#baud;
  }

  /** Bytes for who has opened `path`. */
  write(bytes: Uint8Array): void {
    this.#child.stdin.write(bytes);
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#child.stdout.on("data", listener);
  }

  /** The cable is pulled: the terminal hangs up. */
  async unplug(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}

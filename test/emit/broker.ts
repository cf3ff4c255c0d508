/** A nats-server of its own on loopback, for tests: skipped where it is missing, but not in CI. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { testFolder } from "./folder.js";

const isPresent = spawnSync("nats-server", ["--version"]).status === 0;
export const isSkipped = !isPresent && process.env["CI"] === undefined;

export function assertInstalled(): void {
  if (!isPresent) throw new Error("nats-server is missing: apt-get install nats-server");
}

/** A port that nobody has at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

export class Broker {
  readonly folder: string;
  port = 0;
  #process: ChildProcess | null = null;
  #more: string[] = [];

  constructor(folder = testFolder()) {
    this.folder = folder;
  }

  /** What the broker asks of users, as its own configuration writes it. */
  configure(text: string): void {
    const path = join(this.folder, "broker.conf");
    writeFileSync(path, text);
    this.#more = ["-c", path];
  }

  get servers(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const child = spawn(
      "nats-server",
      ["-js", "-a", "127.0.0.1", "-p", String(this.port), "-sd", join(this.folder, "js"), ...this.#more],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#process = child;
    await new Promise<void>((ready, fail) => {
      let text = "";
      child.stderr.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes("Server is ready")) ready();
      });
      child.once("exit", () => {
        fail(new Error(text));
      });
    });
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await gone;
  }

  /** The disk of the broker is gone. */
  lose(): void {
    rmSync(join(this.folder, "js"), { recursive: true, force: true });
  }
}

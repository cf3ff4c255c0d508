/**
 * Which port to open now: after a replug a receiver may come back under another name. Remembers what it opened last,
 * and finds that again by its name by id, else by what its USB device says of itself. Edge.
 */
import { existsSync, realpathSync } from "node:fs";
import { OsnmadError } from "../errors.js";
import { linkKind } from "./open-link.js";
import {
  findPorts,
  portsNow,
  theReceiver,
  type DiscoveryOptions,
  type FoundPort,
} from "./serial-discovery.js";

export class PortFinder {
  readonly #port: string;
  readonly #options: DiscoveryOptions;
  #last: FoundPort | null = null;

  /** `port` as the user named it: `auto`, a device, tcp://host:port, a capture. */
  constructor(port: string, options: DiscoveryOptions = {}) {
    this.#port = port;
    this.#options = options;
  }

  get isSerial(): boolean {
    return this.#port === "auto" || linkKind(this.#port) === "serial";
  }

  /** A source with an end. */
  get isFinite(): boolean {
    return this.#port !== "auto" && linkKind(this.#port) === "capture";
  }

  /** What was opened last, as far as the system tells. */
  get last(): FoundPort | null {
    return this.#last;
  }

  /** The name to open. Throws OSN_PORT_NOT_FOUND or OSN_PORT_AMBIGUOUS. */
  async resolve(): Promise<string> {
    if (!this.isSerial) return this.#port;
    if (this.#port === "auto") {
      const ports = await findPorts(this.#options);
      this.#last = this.#again(ports) ?? theReceiver(ports);
      return this.#last.path;
    }
    if (existsSync(this.#port)) {
      const device = realpathSync(this.#port);
      this.#last = portsNow(this.#options).find((port) => port.device === device) ?? this.#last;
      return this.#port;
    }
    const moved = this.#again(portsNow(this.#options));
    if (moved === null)
      throw new OsnmadError("OSN_PORT_NOT_FOUND", `${this.#port}: there is no such device.`);
    this.#last = moved;
    return moved.path;
  }

  /** Whether there is something to open now; cheap. */
  isPresent(): boolean {
    if (!this.isSerial) return true;
    const ports = (): FoundPort[] => portsNow(this.#options);
    if (this.#port === "auto") return ports().some(({ ublox }) => ublox);
    return existsSync(this.#port) || this.#again(ports()) !== null;
  }

  /** The port that was open last, under whatever name it has now. */
  #again(ports: readonly FoundPort[]): FoundPort | null {
    const last = this.#last;
    if (last === null) return null;
    const byName = ports.find(({ path }) => path === last.path && last.path !== last.device);
    if (byName !== undefined) return byName;
    const alike = ports.filter(
      (port) =>
        port.vendorId !== null &&
        port.vendorId === last.vendorId &&
        port.productId === last.productId &&
        port.serialNumber === last.serialNumber,
    );
    return alike.length === 1 ? alike[0] : null;
  }
}

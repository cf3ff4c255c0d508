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
    const { name, port } = this.#named(portsNow(this.#options));
    if (name === null) {
      const why = port === null ? "there is no such device" : `it is ${port.product ?? "another device"} now`;
      throw new OsnmadError("OSN_PORT_NOT_FOUND", `${this.#port}: ${why}.`);
    }
    this.#last = port ?? this.#last;
    return name;
  }

  /** Whether there is something to open now; cheap. */
  isPresent(): boolean {
    if (!this.isSerial) return true;
    const ports = portsNow(this.#options);
    if (this.#port === "auto") return ports.some(({ ublox }) => ublox);
    return this.#named(ports).name !== null;
  }

  /**
   * What to open for the device that the user named: it, or what was open last where that has another name now. No
   * name where there is neither; `port` is what the system tells of the device.
   */
  #named(ports: readonly FoundPort[]): { readonly name: string | null; readonly port: FoundPort | null } {
    const last = this.#last;
    const moved = this.#again(ports);
    let here: FoundPort | null = null;
    if (existsSync(this.#port)) {
      const device = realpathSync(this.#port);
      here = ports.find((port) => port.device === device) ?? null;
      // The system gives a name that became free to whatever is plugged in next.
      const taken = last?.ublox === true && here?.ublox === false;
      if (!taken) return { name: this.#port, port: here };
    }
    return moved === null ? { name: null, port: here } : { name: moved.path, port: moved };
  }

  /** The port that was open last, under whatever name it has now. */
  #again(ports: readonly FoundPort[]): FoundPort | null {
    const last = this.#last;
    if (last === null) return null;
    const byName = ports.find(({ path, lasting }) => lasting && path === last.path);
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

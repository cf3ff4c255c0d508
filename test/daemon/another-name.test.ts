/** A receiver that is pulled and comes back under another name, on pseudo-terminals with the real serial binding. */
import { readFileSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventRecord, FixRecord } from "../../src/pipeline/records.js";
import { feedOf } from "../../src/simulate/receiver/feed.js";
import { withVirtualReceiver } from "../../src/simulate/receiver/with-virtual-receiver.js";
import { until } from "../source/compliance.js";
import { Machine, UBLOX } from "../support/machine.js";
import { startBench, streaming, type Bench } from "./support.js";

const capture = readFileSync("captures/nominal.ubx");
const TIMES = { firstWaitMs: 20, longestWaitMs: 200, silenceMs: 1500, settleMs: 2000, healthyMs: 1000 };
const BY_ID = "usb-u-blox_AG_-_www.u-blox.com_u-blox_GNSS_receiver-if00";
const MODEM = { vendor: "2c7c", product: "0125", name: "a modem" };

const fixes = ({ records }: Bench): number[] =>
  records.filter((record): record is FixRecord => record.type === "fix").map(({ gst }) => gst);
const connectedAt = ({ records }: Bench): unknown[] =>
  records
    .filter(
      (record): record is EventRecord => record.type === "event" && record.name === "receiver-connected",
    )
    .map((event) => (event as EventRecord & { port?: unknown }).port);

describe("a receiver that comes back under another name", () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
  });
  afterEach(() => {
    machine.remove();
  });

  /** Runs on ttyACM0, pulls it, puts it back as ttyACM1; returns the ports it was connected at. */
  async function replugged(
    port: string,
    byId?: string,
    meanwhile = (): void => undefined,
  ): Promise<unknown[]> {
    let tty = "ttyACM0";
    let bench: Bench | null = null;
    return withVirtualReceiver(
      {
        model: "F9T",
        feed: feedOf([capture]),
        flash: streaming(),
        over: "pty",
        link: join(machine.dev, tty),
        speed: 60,
        waitForHost: true,
        onEvent: (event) => {
          if (event.event === "unplugged") {
            machine.unplug(tty, byId);
            meanwhile();
          } else if (event.event === "plugged") {
            tty = basename(event.port);
            machine.plug(tty, UBLOX, 2, byId);
          }
        },
      },
      async (_port, served) => {
        try {
          bench = await startBench({
            config: { "receiver.port": port },
            times: TIMES,
            discovery: machine.discovery,
          });
          const running = bench;
          await until("fixes", () => fixes(running).length > 20, 40);
          served.fault({ do: "unplug", seconds: 20, name: join(machine.dev, "ttyACM1") });
          await until("the loss", () => running.daemon.connection.phase !== "alive");
          const before = fixes(running).length;
          await until("fixes again", () => fixes(running).length > before + 20, 40);
          const times = fixes(running);
          expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
          return connectedAt(running);
        } finally {
          await bench?.stop();
        }
      },
    );
  }

  it("is found by its name by id", async () => {
    const name = machine.byId(BY_ID);
    expect(await replugged("auto", BY_ID)).toEqual([name, name]);
  });

  it("is found by what its USB device says of itself, where there is no such name", async () => {
    const [first, second] = [join(machine.dev, "ttyACM0"), join(machine.dev, "ttyACM1")];
    expect(await replugged("auto")).toEqual([first, second]);
  });

  it("is found though the user named the device that it was, and another has that name now", async () => {
    const [first, second] = [join(machine.dev, "ttyACM0"), join(machine.dev, "ttyACM1")];
    expect(
      await replugged(first, undefined, () => {
        symlinkSync("/dev/null", first);
        machine.plug("ttyACM0", MODEM, 2);
      }),
    ).toEqual([first, second]);
  });
});

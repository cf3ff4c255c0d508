import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONNECTION_TIMES, ConnectionLogic, type Happening } from "../../src/source/connection-logic.js";

const { silenceMs, settleMs, firstWaitMs, longestWaitMs, healthyMs } = CONNECTION_TIMES;

/** Fails `count` times in a row and returns the waits. */
function waitsOf(count: number, random: () => number): number[] {
  const logic = new ConnectionLogic({}, random);
  const waits: number[] = [];
  let now = 0;
  logic.happen({ what: "start" }, now);
  for (let i = 0; i < count; i++) {
    const command = logic.happen({ what: "open-failed" }, now);
    if (command?.do !== "wait") throw new Error("no wait");
    waits.push(command.ms);
    now += command.ms;
    expect(logic.happen({ what: "time" }, now - 1)).toBeNull();
    expect(logic.happen({ what: "time" }, now)).toEqual({ do: "open" });
  }
  return waits;
}

describe("a connection that fails", () => {
  it("is tried again after waits that double, up to a minute, and are never zero", () => {
    expect(waitsOf(10, () => 1)).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000,
    ]);
    expect(waitsOf(3, () => 0)).toEqual([250, 500, 1000]);
    expect(Math.max(...waitsOf(2000, Math.random))).toBeLessThanOrEqual(longestWaitMs);
  });

  it("starts from the shortest wait again only after the line was healthy", () => {
    const logic = new ConnectionLogic({}, () => 1);
    let now = 0;
    const cycle = (aliveMs: number): number => {
      logic.happen({ what: "opened" }, now);
      for (let t = 0; t <= aliveMs; t += 1000) logic.happen({ what: "frames" }, now + t);
      now += aliveMs;
      const command = logic.happen({ what: "closed" }, now);
      if (command?.do !== "wait") throw new Error("no wait");
      now += command.ms;
      logic.happen({ what: "time" }, now);
      return command.ms;
    };
    logic.happen({ what: "start" }, now);
    expect([cycle(2000), cycle(2000), cycle(2000)]).toEqual([500, 1000, 2000]);
    expect(cycle(healthyMs)).toBe(firstWaitMs);
  });

  it("is tried at once when the port appears", () => {
    const logic = new ConnectionLogic();
    logic.happen({ what: "start" }, 0);
    logic.happen({ what: "open-failed" }, 0);
    expect(logic.happen({ what: "appeared" }, 1)).toEqual({ do: "open" });
  });
});

describe("a line", () => {
  const opened = (): ConnectionLogic => {
    const logic = new ConnectionLogic();
    logic.happen({ what: "start" }, 0);
    logic.happen({ what: "opened" }, 0);
    return logic;
  };

  it("that gives no whole frame at all is closed after the time to settle", () => {
    const logic = opened();
    expect(logic.nextAt).toBe(settleMs);
    expect(logic.happen({ what: "time" }, settleMs - 1)).toBeNull();
    expect(logic.happen({ what: "time" }, settleMs)).toEqual({ do: "close", why: "unreadable" });
    expect(logic.happen({ what: "closed" }, settleMs)).toMatchObject({ do: "wait" });
  });

  it("that falls silent is closed, counted from its last frame", () => {
    const logic = opened();
    logic.happen({ what: "frames" }, 100);
    logic.happen({ what: "frames" }, 5000);
    expect(logic.happen({ what: "time" }, 4999 + silenceMs)).toBeNull();
    expect(logic.happen({ what: "time" }, 5000 + silenceMs)).toEqual({ do: "close", why: "silent" });
  });

  it("is closed when it is told to stop, also while it opens", () => {
    const logic = opened();
    expect(logic.happen({ what: "stop" }, 1)).toEqual({ do: "close", why: "stopped" });
    expect(logic.happen({ what: "closed" }, 2)).toBeNull();
    expect(logic.phase).toBe("stopped");
    const early = new ConnectionLogic();
    early.happen({ what: "start" }, 0);
    expect(early.happen({ what: "stop" }, 0)).toBeNull();
    expect(early.happen({ what: "opened" }, 1)).toEqual({ do: "close", why: "stopped" });
    early.happen({ what: "closed" }, 2);
    expect(early.phase).toBe("stopped");
  });

  it("never hangs and is never opened twice, whatever happens in whatever order", () => {
    const what = fc.constantFrom<Happening["what"]>(
      "opened",
      "open-failed",
      "frames",
      "closed",
      "appeared",
      "time",
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(what, fc.integer({ min: 0, max: 90_000 })), { maxLength: 200 }),
        (steps) => {
          const logic = new ConnectionLogic();
          let now = 0;
          let opens = 0;
          let isOpen = false;
          if (logic.happen({ what: "start" }, now)?.do === "open") opens++;
          for (const [happening, passed] of steps) {
            now += passed;
            const before = logic.phase;
            const command = logic.happen({ what: happening }, now);
            if (command?.do === "open") {
              expect(["waiting", "idle"]).toContain(before);
              expect(isOpen).toBe(false);
              opens++;
            }
            if (before === "opening" && happening === "opened") isOpen = true;
            if (happening === "closed" && before !== "waiting" && before !== "opening") isOpen = false;
            // There is always something that brings it on: an answer that is awaited, or a time.
            expect(["opening", "closing"].includes(logic.phase) || logic.nextAt !== null).toBe(true);
          }
          return opens > 0;
        },
      ),
    );
  });
});

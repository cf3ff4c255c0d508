/** The block on a terminal: what it says of things that are over, and that it leaves nothing of itself behind. */
import { Writable } from "node:stream";
import { expect, it } from "vitest";
import { readable } from "../../src/daemon/log.js";
import {
  fixWords,
  stationWords,
  TerminalBlock,
  viewLines,
  type FixView,
} from "../../src/daemon/terminal-view.js";

const FIX: FixView = {
  assurance: "nav-authenticated",
  own: { satellites: 8, raim: "passed" },
  ageSeconds: 0.4,
  isNow: true,
  first: { assurance: "nav-authenticated", afterSeconds: 96 },
};

it("calls no fix present that is over", () => {
  expect(fixWords(null)).toBe("none yet");
  expect(fixWords(FIX)).toBe(
    "nav-authenticated, 8 satellites, RAIM passed  (first nav-authenticated after 00:01:36)",
  );
  expect(fixWords({ ...FIX, isNow: false, ageSeconds: 12.3 })).toBe(
    "none now; the last was nav-authenticated, 12 s ago",
  );
  expect(fixWords({ ...FIX, isNow: false, ageSeconds: 3725 })).toContain("01:02:05 ago");
});

it("says how the log, its witnesses and its consumers are", () => {
  const station = { fault: null, leaves: 41, witnesses: 2, witnessesReached: 1, consumersDead: 1 };
  expect(stationWords(station)).toBe("41 leaves, 1 of 2 witnesses, 1 consumer dead");
  expect(stationWords({ ...station, leaves: 1, witnesses: 0, consumersDead: 0 })).toBe("1 leaf");
  expect(stationWords({ ...station, fault: "a reason" })).toContain("none in this run");
});

it("does not call a sky empty of which it knows no time yet", () => {
  const state = {
    version: "0",
    url: null,
    mode: "live",
    receiver: "x",
    clock: "x",
    satellites: [],
    pagesWithoutTime: 63,
    osnma: "cold",
    fix: null,
    station: null,
    why: null,
    next: "x",
    uptimeSeconds: 13,
  };
  expect(viewLines(state, 80)).toContain("satellites  no time yet, 63 pages came");
  expect(viewLines({ ...state, pagesWithoutTime: 0 }, 80)).toContain("satellites  0 heard, 0 authenticated");
});

it("erases from the first column as many rows as its lines take now", () => {
  let written = "";
  const out = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written += chunk.toString();
        done();
      },
    }),
    { columns: 80 },
  );
  const block = new TerminalBlock(out);
  block.draw(["a".repeat(70), "b"]);
  written = "";
  block.above("x");
  expect(written).toBe("\r\u001b[2A\u001b[Jx\n");
  block.draw(["a".repeat(70), "b"]);
  out.columns = 40;
  written = "";
  block.draw(["c"]);
  expect(written).toBe("\r\u001b[3A\u001b[Jc\n");
});

it("leaves what is for machines out of the lines for people", () => {
  const line = JSON.stringify({
    level: 30,
    time: 0,
    msg: "stopped",
    run: 3,
    counts: { fixes: {} },
    left: ["a"],
  });
  expect(readable(line)).toBe('00:00:00 info  stopped  run=3  left=["a"]');
});

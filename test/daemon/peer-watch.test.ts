/** What is told of witnesses and consumers that go and come. */
import { expect, it } from "vitest";
import { peerCounts, PeerWatch } from "../../src/daemon/peer-watch.js";

const consumer = (state: string, error: string | null = null) => ({
  consumer: "https://user:secret@node.example/in?key=secret",
  purpose: "federation" as const,
  state,
  error,
});
const witness = (name: string, failures: number, state: "idle" | "waiting" | "contradicts" = "idle") => ({
  name,
  state,
  size: 4,
  failures,
  lastError: failures === 0 ? null : "fetch failed",
});
const MINUTE = 60_000;

it("tells once of a consumer that is dead and once that it is back, and nothing secret of its address", () => {
  const watch = new PeerWatch();
  expect(watch.look([consumer("sending"), consumer("waiting", "HTTP status 500")], [], 0)).toEqual([]);
  const [dead, ...more] = watch.look([consumer("dead", "connect ECONNREFUSED")], [], 1000);
  expect(more).toEqual([]);
  expect(dead).toMatchObject({ name: "consumer-dead", severity: "warning", peer: "https://node.example/in" });
  expect(dead.message).toContain("ECONNREFUSED");
  expect(JSON.stringify(dead)).not.toContain("secret");
  expect(watch.look([consumer("dead")], [], 2000)).toEqual([]);
  expect(watch.look([consumer("idle")], [], 3000).map(({ name }) => name)).toEqual(["consumer-back"]);
  expect(watch.look([consumer("idle")], [], 4000)).toEqual([]);
});

it("tells of one that comes and goes no more than once in ten minutes", () => {
  const watch = new PeerWatch();
  const told: string[] = [];
  for (let minute = 0; minute < 20; minute++) {
    for (const state of ["dead", "idle"]) {
      told.push(...watch.look([consumer(state)], [], minute * MINUTE).map(({ name }) => name));
    }
  }
  expect(told).toEqual(["consumer-dead", "consumer-back", "consumer-dead", "consumer-back"]);
});

it("tells of each witness by itself, and of one that contradicts as an alarm", () => {
  const watch = new PeerWatch();
  expect(watch.look([], [witness("a", 1), witness("b", 2)], 0)).toEqual([]);
  const silent = watch.look([], [witness("a", 3), witness("b", 3)], 1000);
  expect(silent.map(({ name, peer }) => `${name} ${peer}`)).toEqual(["witness-silent a", "witness-silent b"]);
  expect(watch.look([], [witness("a", 4, "contradicts"), witness("b", 0)], 2000)).toMatchObject([
    { name: "witness-contradicts", severity: "alarm", peer: "a" },
    { name: "witness-back", severity: "info", peer: "b" },
  ]);
  expect(watch.look([], [witness("a", 0), witness("b", 0)], 3000).map(({ name }) => name)).toEqual([
    "witness-back",
  ]);
});

it("counts those that are there", () => {
  const never = { ...witness("c", 0), size: null };
  expect(peerCounts([consumer("dead"), consumer("idle")], [witness("a", 0), witness("b", 3), never])).toEqual(
    {
      witnesses: 3,
      witnessesReached: 1,
      consumers: 2,
      consumersDead: 1,
    },
  );
});

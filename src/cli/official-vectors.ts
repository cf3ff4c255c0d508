/**
 * What GSC's official OSNMA test vectors must show: the events and the final state of each life-cycle process,
 * by the time a vector spans. Source: the vectors themselves (first occurrences of headers and root keys, WN
 * 1258); docs/conformance.md has the table. Where a time was measured with an independent implementation, an
 * event must be there no later than that; elsewhere within one cycle of DSM bursts.
 */
import { gstOf } from "../inav/gst.js";
import type { Cpks, EventRecord, NmaStatus, SummaryRecord } from "../pipeline/records.js";

/** Roots of the vectors: never operational. B replaces A in the Merkle tree renewal. */
const ROOT_A = "a10c440f3aa62453526db4af76df8d9410d35d8277397d7053c700d192702b0d";
const ROOT_B = "259b5243fea8338253c28a05d8bd5db04180c3f59a3027e391bf2b6e1ac3509b";

const WN = 1258;
/** The longest cycle of DSM bursts: a P-521 key (16 blocks) and a P-521 root key (13), one block a subframe. */
const BURST_CYCLE_SECONDS = (16 + 13) * 30;
const SETTLING_SECONDS = BURST_CYCLE_SECONDS + 30;

interface Phase {
  readonly from: number;
  readonly nmaStatus: NmaStatus;
  readonly cpks: Cpks;
  readonly chainId: number;
}

const phase = (tow: number, nmaStatus: NmaStatus, cpks: Cpks, chainId: number): Phase => ({
  from: gstOf(WN, tow),
  nmaStatus,
  cpks,
  chainId,
});

/** NMA headers on air, in order; each lasts until the next. */
const PHASES: readonly Phase[] = [
  phase(492_300, "operational", "nominal", 3),
  phase(494_100, "operational", "eoc", 3),
  phase(500_400, "operational", "nominal", 0),
  phase(512_100, "dont-use", "crev", 0),
  phase(518_400, "operational", "crev", 1),
  phase(522_000, "operational", "nominal", 1),
  phase(530_100, "operational", "npk", 1),
  phase(537_300, "operational", "nominal", 1),
  phase(548_100, "dont-use", "pkrev", 1),
  phase(554_400, "operational", "pkrev", 2),
  phase(558_000, "operational", "nominal", 2),
  phase(566_100, "operational", "nmt", 2),
  phase(573_300, "operational", "nominal", 2),
  phase(587_700, "dont-use", "am", 2),
];
/** The last vector ends here (oam_step2, at most an hour after its OSNMA fields turned zero at TOW 591300). */
const TIMELINE_END = gstOf(WN, 594_900);

interface Claim {
  readonly what: string;
  /** The change on air; a vector that starts later cannot show the event. */
  readonly from: number;
  /** The event must be there by then. */
  readonly by: number;
  /** Roots that must be among the given material, else nothing is claimed. */
  readonly root?: string;
  /** PKID that signs before the change: whoever lacks that key has nothing that could change. */
  readonly signer?: number;
  readonly holds: (event: EventRecord) => boolean;
}

const claim = (
  what: string,
  fromTow: number,
  byTow: number,
  holds: (event: EventRecord) => boolean,
  { root, signer }: Pick<Claim, "root" | "signer"> = {},
): Claim => ({
  what,
  from: gstOf(WN, fromTow),
  by: gstOf(WN, byTow),
  holds,
  ...(root === undefined ? {} : { root }),
  ...(signer === undefined ? {} : { signer }),
});

const statusBecomes = (value: NmaStatus) => (event: EventRecord) =>
  event.name === "nma-status" && event["nmaStatus"] === value;
const cpksBecomes = (value: Cpks) => (event: EventRecord) => event.name === "cpks" && event["cpks"] === value;
const ofChain =
  (chainId: number, ...names: string[]) =>
  (event: EventRecord) =>
    names.includes(event.name) && event["chainId"] === chainId;
const ofKey =
  (pkid: number, ...names: string[]) =>
  (event: EventRecord) =>
    names.includes(event.name) && (event["publicKey"] as { pkid?: number } | undefined)?.pkid === pkid;
const within = (tow: number): number => tow + SETTLING_SECONDS;

const ALERT_CLAIM = "alert message verified";

const CLAIMS: readonly Claim[] = [
  // End of chain 3: the next root key is on air from 494340.
  claim("CPKS end of chain", 494_100, within(494_100), cpksBecomes("eoc")),
  claim(
    "root key of chain 0 stored, in force at TOW 500400",
    494_100,
    within(494_340),
    (event) =>
      ofChain(0, "next-chain-stored")(event) && event["inForceWn"] === WN && event["inForceTow"] === 500_400,
  ),
  claim(
    "chain 0 in force",
    500_400,
    within(500_400),
    ofChain(0, "chain-switched", "chain-replaced", "chain-installed"),
  ),
  claim("CPKS nominal after the end of chain", 500_400, within(500_400), cpksBecomes("nominal")),
  // Revocation of chain 0.
  claim("NMA status don't use", 512_100, 512_100, statusBecomes("dont-use"), { signer: 7 }),
  claim("chain 0 revoked and dropped", 512_100, 512_100, ofChain(0, "chain-revoked"), { signer: 7 }),
  claim("CPKS chain revoked", 512_100, 512_100, cpksBecomes("crev"), { signer: 7 }),
  claim("NMA status operational under chain 1", 518_400, within(518_400), statusBecomes("operational")),
  claim("CPKS nominal after the revocation", 522_000, within(522_000), cpksBecomes("nominal")),
  // New public key 8.
  claim("CPKS new public key", 530_100, within(530_100), cpksBecomes("npk")),
  claim("public key 8 proven", 530_100, within(530_100), ofKey(8, "public-key-verified"), { root: ROOT_A }),
  claim("public key 8 in force", 533_700, 533_700, ofKey(8, "public-key-in-force"), { signer: 7 }),
  claim("CPKS nominal after the key renewal", 537_300, within(537_300), cpksBecomes("nominal")),
  // Revocation of public key 8.
  claim("NMA status don't use", 548_100, 548_130, statusBecomes("dont-use"), { signer: 8 }),
  claim("public key 9 proven", 548_100, 548_610, ofKey(9, "public-key-verified"), { root: ROOT_A }),
  claim("public key 8 revoked and dropped", 548_100, 548_610, ofKey(8, "public-key-revoked"), { signer: 8 }),
  claim("CPKS public key revoked", 548_100, 548_610, cpksBecomes("pkrev")),
  claim("NMA status operational under chain 2", 554_400, within(554_400), statusBecomes("operational")),
  claim("CPKS nominal after the key revocation", 558_000, within(558_000), cpksBecomes("nominal")),
  // New Merkle tree: only for who holds it.
  claim("CPKS new Merkle tree", 566_100, within(566_100), cpksBecomes("nmt")),
  claim("public key 1 proven under the new root", 566_100, within(566_100), ofKey(1, "public-key-verified"), {
    root: ROOT_B,
  }),
  claim("CPKS nominal after the tree renewal", 573_300, within(573_300), cpksBecomes("nominal")),
  // Alert.
  claim(ALERT_CLAIM, 587_700, 587_730, (event) => event.name === "alert", { root: ROOT_B }),
];

/** A vector without a process: what it must end with. */
const CONFIGURATION_2 = {
  firstPageGst: gstOf(1248, 345_601),
  final: { nmaStatus: "operational", cpks: "nominal", chainId: 0 },
} as const;

export interface VectorRun {
  readonly firstPageGst: number;
  /** End of the last page. */
  readonly endGst: number;
  /** Roots given, lower-case hexadecimal. */
  readonly roots: readonly string[];
  readonly start: "cold" | "warm" | "hot";
  readonly summary: SummaryRecord;
  readonly events: readonly EventRecord[];
}

/** Whether the run is one of the official vectors, told by its time and the test roots it is run under. */
export function isOfficial(run: VectorRun): boolean {
  const { firstPageGst, roots } = run;
  if (!roots.some((root) => root === ROOT_A || root === ROOT_B)) return false;
  if (firstPageGst === CONFIGURATION_2.firstPageGst) return true;
  return firstPageGst >= PHASES[0].from && firstPageGst < TIMELINE_END;
}

/** What an official vector's run lacks; nothing for any other vector. */
export function officialProblems(run: VectorRun): string[] {
  if (!isOfficial(run)) return [];
  if (run.firstPageGst === CONFIGURATION_2.firstPageGst) return finalProblems(run, [CONFIGURATION_2.final]);
  const problems: string[] = [];
  for (const { what, from, by, root, signer, holds } of CLAIMS) {
    // A cold start waits for a DSM-PKR before it can tell anything; its final state is what is asked of it.
    if (run.start === "cold" && what !== ALERT_CLAIM) continue;
    // The receiver needs a root key first: a vector that starts right before a change may miss it.
    const settledBefore = run.firstPageGst + BURST_CYCLE_SECONDS <= from;
    if (!settledBefore || run.endGst < by || (root !== undefined && !run.roots.includes(root))) continue;
    if (signer !== undefined && lacked(run, signer, from)) continue;
    const seen = run.events.filter(holds).map((event) => gstOf(event.wn ?? 0, event.tow ?? 0));
    const inTime = seen.filter((gst) => gst >= from && gst <= by);
    if (inTime.length > 0) continue;
    const late = seen.find((gst) => gst > by);
    problems.push(
      late === undefined
        ? `${what}: not seen (expected from TOW ${towOfClaim(from)} to ${towOfClaim(by)})`
        : `${what}: at TOW ${towOfClaim(late)}, expected by ${towOfClaim(by)}`,
    );
  }
  const now = PHASES.findLastIndex(({ from }) => from < run.endGst);
  const settled = run.endGst - PHASES[now].from > SETTLING_SECONDS;
  // Shortly after a change either state is right.
  problems.push(...finalProblems(run, settled ? [PHASES[now]] : PHASES.slice(Math.max(0, now - 1), now + 1)));
  return problems;
}

/** Whether root keys that this public key signed could not be verified before `gst`. */
function lacked({ events }: VectorRun, pkid: number, gst: number): boolean {
  return events.some(
    (event) =>
      event.name === "public-key-missing" &&
      event["pkid"] === pkid &&
      gstOf(event.wn ?? 0, event.tow ?? 0) < gst,
  );
}

function finalProblems(
  { summary }: VectorRun,
  accepted: readonly Pick<Phase, "nmaStatus" | "cpks" | "chainId">[],
): string[] {
  const right = accepted.some(
    ({ nmaStatus, cpks, chainId }) =>
      summary.nmaStatus === nmaStatus && summary.cpks === cpks && summary.chainId === chainId,
  );
  if (right) return [];
  const of = ({ nmaStatus, cpks, chainId }: SummaryRecord | (typeof accepted)[number]): string =>
    `${nmaStatus ?? "unknown"} / ${cpks ?? "unknown"} / ${chainId ?? "unknown"}`;
  return [`final state is ${of(summary)}, expected ${accepted.map(of).join(" or ")}`];
}

const towOfClaim = (gst: number): number => gst - gstOf(WN, 0);

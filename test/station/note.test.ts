/**
 * Signed notes, checkpoints and cosignatures. The notes of Peter Neumann and Enoch Root are the published vectors of
 * golang.org/x/mod/sumdb/note; the other keys and the time stamp are those of github.com/transparency-dev/formats.
 */
import { describe, expect, it } from "vitest";
import {
  checkpointText,
  parseCheckpoint,
  parseSize,
  signCheckpoint,
  signerOf,
} from "../../src/station/checkpoint.js";
import {
  cosign,
  cosignaturesOf,
  cosignedMessage,
  parseCosignatureLines,
  timestampOf,
  verifyCosignature,
} from "../../src/station/cosignature.js";
import {
  COSIGNATURE_V1,
  ED25519,
  formatNote,
  formatSignature,
  formatVerifierKey,
  isSignedBy,
  keyIdOf,
  parseNote,
  parseSignatureLine,
  parseVerifierKey,
  verifierKey,
  verifyEd25519,
} from "../../src/station/note.js";
import { follow, stationIdOf, type History } from "../../src/station/history.js";
import { encodeLeaf, type Leaf } from "../../src/station/leaf.js";
import { place, startContent } from "./leaves.js";
import { keyOfSeed, logKey, testKey, witnessKey } from "./keys.js";

const PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SEED = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
const ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const BY_PETER =
  "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const BY_ENOCH =
  "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

describe("signed notes", () => {
  const peter = parseVerifierKey(PETER)!;
  const enoch = parseVerifierKey(ENOCH)!;

  it("have the published verifier keys", () => {
    expect(peter.keyId).toBe(0xc74f20a3);
    expect(formatVerifierKey(peter)).toBe(PETER);
    expect(
      formatVerifierKey(parseVerifierKey("TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6")!),
    ).toBe("TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6");
    expect(
      parseVerifierKey("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2")?.type,
    ).toBe(4);
  });

  it("have no key in any part of a verifier key, nor in one with a letter changed", () => {
    for (let from = 0; from <= PETER.length; from++) {
      for (let to = from; to <= PETER.length; to++) {
        if (to - from < PETER.length) expect(parseVerifierKey(PETER.slice(from, to))).toBeNull();
      }
    }
    for (let at = 0; at < PETER.length; at++) {
      const letter = String.fromCharCode(PETER.charCodeAt(at) + 1);
      expect(parseVerifierKey(PETER.slice(0, at) + letter + PETER.slice(at + 1))).toBeNull();
    }
    expect(
      parseVerifierKey("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="),
    ).toBeNull();
    expect(parseVerifierKey("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")).toBeNull();
  });

  it("are signed to the published bytes", async () => {
    const key = keyOfSeed(PETER_SEED);
    expect(Buffer.from(key.publicKey)).toEqual(Buffer.from(peter.publicKey));
    const signature = await key.sign(Buffer.from(TEXT));
    const note = { text: TEXT, signatures: [{ name: peter.name, keyId: peter.keyId, signature }] };
    expect(formatNote(note)).toBe(`${TEXT}\n${BY_PETER}`);
  });

  it("are verified by the key that signed, and by no other", () => {
    const note = parseNote(`${TEXT}\n${BY_PETER}`)!;
    expect(note.text).toBe(TEXT);
    expect(isSignedBy(note, peter)).toBe(true);
    expect(isSignedBy(note, enoch)).toBe(false);
    const both = parseNote(Buffer.from(`${TEXT}\n${BY_PETER}${BY_ENOCH}`))!;
    expect(isSignedBy(both, peter) && isSignedBy(both, enoch)).toBe(true);
    const altered = parseNote(`${TEXT.replace("know", "knew")}\n${BY_PETER}`)!;
    expect(isSignedBy(altered, peter)).toBe(false);
    // One that holds does not excuse one in the same name that does not.
    const wrong = BY_PETER.replace("x08go/ZJ", "x08go/ZK");
    expect(isSignedBy(parseNote(`${TEXT}\n${BY_PETER}${wrong}`)!, peter)).toBe(false);
    const renamed = BY_PETER.replace("PeterNeumann", "CarmenSandiego");
    expect(isSignedBy(parseNote(`${TEXT}\n${renamed}`)!, peter)).toBe(false);
  });

  it("are refused where they are none", () => {
    for (const text of [
      TEXT,
      `${TEXT}\n`,
      `${TEXT}\n${BY_PETER.slice(0, -1)}`,
      `\u0001${TEXT}\n${BY_PETER}`,
      `${TEXT}\n— Bad Name x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`,
      `${TEXT}\n${BY_PETER}Unexpected line.\n`,
      `${TEXT}\n${BY_PETER.repeat(101)}`,
      "",
    ]) {
      expect(parseNote(text)).toBeNull();
    }
    expect(parseNote(Buffer.concat([Buffer.from([0xff]), Buffer.from(`${TEXT}\n${BY_PETER}`)]))).toBeNull();
    expect(parseNote(new Uint8Array(1 << 20))).toBeNull();
  });

  it("never let a malformed key or signature throw", () => {
    expect(verifyEd25519(new Uint8Array(32), new Uint8Array(0), new Uint8Array(64))).toBe(false);
    expect(verifyEd25519(new Uint8Array(31), new Uint8Array(0), new Uint8Array(64))).toBe(false);
    expect(verifyEd25519(peter.publicKey, new Uint8Array(0), new Uint8Array(63))).toBe(false);
  });
});

describe("checkpoints", () => {
  // The example of c2sp.org/tlog-cosignature.
  const EXAMPLE = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`;

  it("say what the example of the document says", () => {
    const checkpoint = parseCheckpoint(EXAMPLE)!;
    expect(checkpoint).toMatchObject({
      origin: "example.com/behind-the-sofa",
      size: 20_852_163,
      extensions: [],
    });
    expect(checkpointText(checkpoint)).toBe(checkpoint.note.text);
    expect(formatNote(checkpoint.note)).toBe(EXAMPLE);
    expect(checkpoint.note.signatures.map(timestampOf)).toEqual([null, 1_679_315_147]);
    expect(new TextDecoder().decode(cosignedMessage(checkpoint.note.text, 1_679_315_147))).toBe(
      "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
    );
  });

  it("are refused with a size or root in another spelling, or an empty line", () => {
    const bad = (from: string | RegExp, to: string) => parseCheckpoint(EXAMPLE.replace(from, to));
    expect(bad("20852163", "020852163")).toBeNull();
    expect(bad("20852163", "-1")).toBeNull();
    expect(bad("20852163", "9007199254740993")).toBeNull();
    expect(bad("20852163", "99999999999999999999")).toBeNull();
    expect(bad("q2I=", "q2J=")).toBeNull();
    expect(bad("CsUYapGG", "")).toBeNull();
    expect(bad("20852163\n", "20852163\n\n")).toBeNull();
    expect(parseSize("0")).toBe(0);
  });

  it("hold under the log's own key alone", async () => {
    const key = testKey("log");
    const verifier = logKey("example.org/log", key);
    const head = { origin: "example.org/log", size: 5, root: new Uint8Array(32), extensions: [] };
    const checkpoint = parseCheckpoint(await signCheckpoint(head, [{ key: verifier, sign: key.sign }]))!;
    expect(signerOf(checkpoint, [verifier])).toBe(verifier);
    expect(signerOf(checkpoint, [logKey("example.org/log", testKey("other"))])).toBeNull();
    // The key of another log does not speak for this one, though its signature may be good.
    const foreign = logKey("example.org/other", key);
    const cross = parseCheckpoint(await signCheckpoint(head, [{ key: foreign, sign: key.sign }]))!;
    expect(signerOf(cross, [foreign])).toBeNull();
  });
});

describe("cosignatures", () => {
  const key = testKey("witness");
  const verifier = witnessKey("witness.example/w1", key);
  const text = "example.org/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

  it("read the time of the published example", () => {
    const line = `— x ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA==`;
    expect(timestampOf(parseSignatureLine(line)!)).toBe(1_727_964_367);
    const plain = `— x eQjRQm6eSKzFoiYalgwCPXu2y3ijtg68is9M46JKxuZB+dRfTmeQeDBoXnvxZx2ugnkyV+MUMLXpWs1hPb/W/4xkNQY=`;
    expect(timestampOf(parseSignatureLine(plain)!)).toBeNull();
  });

  it("bind time, text and key", async () => {
    const line = await cosign(text, 1_750_000_000, verifier, key.sign);
    expect(verifyCosignature(text, line, verifier)).toEqual({
      witness: "witness.example/w1",
      keyId: verifier.keyId,
      timestamp: 1_750_000_000,
    });
    expect(verifyCosignature(text.replace("7", "8"), line, verifier)).toBeNull();
    const later = Uint8Array.from(line.signature);
    later[7] ^= 1;
    expect(verifyCosignature(text, { ...line, signature: later }, verifier)).toBeNull();
    expect(verifyCosignature(text, line, witnessKey("witness.example/w1", testKey("other")))).toBeNull();
    // A plain note signature over the same text is no cosignature, and the other way round.
    const note = { text, signatures: [line] };
    expect(isSignedBy(note, verifier)).toBe(false);
    expect(cosignaturesOf(note, [verifier])).toHaveLength(1);
  });

  it("come as lines, and of each witness the earliest counts", async () => {
    const early = await cosign(text, 1_750_000_000, verifier, key.sign);
    const late = await cosign(text, 1_750_000_009, verifier, key.sign);
    const lines = parseCosignatureLines(formatSignature(late) + formatSignature(early))!;
    expect(cosignaturesOf({ text, signatures: lines }, [verifier]).map(({ timestamp }) => timestamp)).toEqual(
      [1_750_000_000],
    );
    expect(parseCosignatureLines("")).toBeNull();
    expect(parseCosignatureLines("busy\n")).toBeNull();
    expect(parseCosignatureLines(formatSignature(late).repeat(17))).toBeNull();
  });
});

describe("keys of small order", () => {
  const P = 2n ** 255n - 19n;
  const mod = (value: bigint): bigint => ((value % P) + P) % P;
  const power = (base: bigint, exponent: bigint): bigint => {
    let [result, square] = [1n, mod(base)];
    for (let left = exponent; left > 0n; left >>= 1n) {
      if ((left & 1n) === 1n) result = mod(result * square);
      square = mod(square * square);
    }
    return result;
  };
  const D = mod(-121665n * power(121666n, P - 2n));
  /** y after doubling a point of the curve -x^2 + y^2 = 1 + d x^2 y^2; x only counts squared. */
  const doubled = (y: bigint): bigint => {
    const y2 = mod(y * y);
    const x2 = mod((y2 - 1n) * power(D * y2 + 1n, P - 2n));
    // (y^2 + x^2) / (1 - d x^2 y^2)
    return mod((y2 + x2) * power(1n - D * x2 * y2, P - 2n));
  };
  const encoded = (y: bigint): Buffer => Buffer.from(y.toString(16).padStart(64, "0"), "hex").reverse();
  const orderDividesEight = (y: bigint): boolean => doubled(doubled(doubled(mod(y)))) === 1n;
  /** Of order 8: doubling gives y = 0, so y^4 d + 2 y^2 - 1 = 0, by y^2 = (-1 +- sqrt(1 + d)) / d. */
  const root = (value: bigint): bigint | null => {
    let candidate = power(value, (P + 3n) / 8n);
    if (mod(candidate * candidate) !== mod(value)) candidate = mod(candidate * power(2n, (P - 1n) / 4n));
    return mod(candidate * candidate) === mod(value) ? candidate : null;
  };
  const s = root(1n + D)!;
  const ofOrderEight = [s, -s].flatMap((each) => {
    const y = root((each - 1n) * power(D, P - 2n));
    return y === null ? [] : [y, mod(-y)];
  });
  const ys = [0n, 1n, P - 1n, P, P + 1n, ...ofOrderEight];
  const all = ys.flatMap((y) => {
    const plain = encoded(y);
    const signed = Buffer.from(plain);
    signed[31] |= 0x80;
    return [plain, signed];
  });

  it("are these fourteen spellings", () => {
    expect(ys.every(orderDividesEight)).toBe(true);
    expect(orderDividesEight(4n * power(5n, P - 2n))).toBe(false);
    expect(new Set(all.map((key) => key.toString("hex"))).size).toBe(14);
  });

  it("verify nothing, are no verifier keys, and no keys of a log", () => {
    // Alone, the library takes this for any message.
    const forged = Buffer.concat([encoded(1n), Buffer.alloc(32)]);
    for (const key of all) {
      for (let at = 0; at < 32; at++) {
        expect(verifyEd25519(key, Buffer.from(`message ${at}`), forged)).toBe(false);
      }
      for (const type of [ED25519, COSIGNATURE_V1] as const) {
        const material = Buffer.concat([Buffer.of(type), key]).toString("base64");
        const id = keyIdOf("n", type, key).toString(16).padStart(8, "0");
        expect(parseVerifierKey(`n+${id}+${material}`)).toBeNull();
        expect(() => verifierKey("n", type, key)).toThrow(RangeError);
      }
      const [{ leaf, bytes }] = place([startContent()]);
      const own = { ...leaf, publicKey: key, station: stationIdOf(key) } as Leaf;
      expect(follow(null, own, encodeLeaf(own))).toBe("key");
      const history = follow(null, leaf, bytes) as History;
      const rotation: Leaf = {
        ...leaf,
        kind: "rotation",
        index: 1,
        previous: history.head,
        oldKey: history.publicKey,
        newKey: key,
        oldSignature: forged,
        newSignature: forged,
      } as never;
      expect(follow(history, rotation, encodeLeaf(rotation))).toBe("key");
    }
  });
});

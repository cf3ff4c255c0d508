/** Ed25519 keys for tests, from seeds, so that every run signs the same. */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { COSIGNATURE_V1, ED25519, verifierKey, type VerifierKey } from "../../src/station/note.js";

const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

export function keyOfSeed(seed: Uint8Array): TestKey {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    privateKey,
    publicKey: Uint8Array.from(spki.subarray(-32)),
    sign: (message) => Promise.resolve(Uint8Array.from(sign(null, message, privateKey))),
  };
}

export function testKey(name: string): TestKey {
  return keyOfSeed(createHash("sha256").update(`test key ${name}`).digest());
}

export function logKey(origin: string, { publicKey }: TestKey): VerifierKey {
  return verifierKey(origin, ED25519, publicKey);
}

export function witnessKey(name: string, { publicKey }: TestKey): VerifierKey {
  return verifierKey(name, COSIGNATURE_V1, publicKey);
}

/**
 * What signs for a station or a witness: one Ed25519 key. The key of this program is a file (key-file.ts). A key in
 * a PKCS#11 token or a TPM is another maker of this interface, and nothing else has to change: the rest of the
 * program never sees a private key. Such a maker gives `publicKey` once, and signs with CKM_EDDSA (PKCS#11 3.0,
 * section 6.3, without a context) or TPM2_Sign with TPM_ALG_EDDSA; neither is part of this version.
 */
export interface Signer {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** RFC 8032 signature of 64 bytes, over the message as it is. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

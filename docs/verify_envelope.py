#!/usr/bin/env python3
"""Verifies osnmad envelopes (docs/envelope.md) with nothing but Python's standard library.

  verify_envelope.py KEY FILE [PURPOSE] [MODE]    COSE envelopes, one after another, or a JWS; prints each as JSON
  verify_envelope.py --vectors envelope-vectors.json

KEY is the line of `osnmad key export-public`, or the 32 bytes of the public key in hexadecimal; FILE may be `-`. Exit status 0: the signature holds, and purpose and mode are the ones asked for. Ed25519 is written out after
RFC 8032 section 6, for reading and not for speed or secrets. Leaves and checkpoints within are not judged here.
"""
import base64, hashlib, json, sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def recover(y, sign):
    if y >= P:
        raise ValueError("not a point")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * I % P
    if (x * x - x2) % P or (x == 0 and sign):
        raise ValueError("not a point")
    return P - x if x & 1 != sign else x


def point(data):
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = recover(y, sign)
    return x, y, 1, x * y % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    result = (0, 1, 1, 0)
    for bit in bin(n)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, p)
    return result


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = point(BASE_Y.to_bytes(32, "little"))


def ed25519(public_key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    if len(public_key) != 32 or len(signature) != 64 or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    left, right = times(s, BASE), add(point(signature[:32]), times(h, point(public_key)))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def encode(value):
    """Deterministic CBOR of integers, bytes, arrays, maps and null."""
    def head(major, n):
        if n < 24:
            return bytes([major << 5 | n])
        size = next(i for i in range(4) if n < 256 ** 2**i)
        return bytes([major << 5 | 24 + size]) + n.to_bytes(2**size, "big")
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    members = sorted((encode(key), encode(item)) for key, item in value.items())
    return head(5, len(members)) + b"".join(key + item for key, item in members)


def decode(data):
    """The value of data, refused unless it is in the one form that `encode` gives."""
    value, end = decode_first(data)
    if end != len(data):
        raise ValueError("something follows")
    return value


def decode_first(data):
    """The first value in data and where it ends."""
    def item(at, depth):
        if depth > 12:
            raise ValueError("nested too deep")
        major, n, at = data[at] >> 5, data[at] & 31, at + 1
        if (major, n) == (7, 22):
            return None, at
        if 24 <= n <= 27:
            size = 2 ** (n - 24)
            n, at = int.from_bytes(data[at:at + size], "big"), at + size
        if major in (0, 1):
            return (n if major == 0 else -1 - n), at
        if major == 2:
            return data[at:at + n], at + n
        if major not in (4, 5) or n > len(data):
            raise ValueError("not used here")
        parts = []
        for _ in range(n * (major - 3)):
            part, at = item(at, depth + 1)
            parts.append(part)
        return (parts if major == 4 else dict(zip(parts[::2], parts[1::2]))), at
    value, end = item(0, 0)
    if encode(value) != data[:end]:
        raise ValueError("not in deterministic form")
    return value, end


PURPOSES = ["federation", "prover"]
MODES = ["live", "replay", "simulated"]
FIELDS = {1: ["leaf", "index", "leaf"], 2: ["checkpoint", "size", "note"], 3: ["cosignature", "size", "line"],
          4: ["openings", "index", "secret", "items"], 5: ["fix", "index", "slot", "record", "evidence"]}


def unbase64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("not in canonical base64url")
    return data


def view(purpose, mode, station, key, statement):
    kind, *fields = FIELDS[statement[0]]
    if len(statement) - 1 != len(fields) or (statement[0] > 3 and purpose == "federation"):
        raise ValueError("no statement for this purpose")
    show = lambda x: base64.urlsafe_b64encode(x).rstrip(b"=").decode() if isinstance(x, bytes) else x
    return {"purpose": purpose, "mode": mode, "station": station.hex(), "key": key.hex(),
            "statement": {"kind": kind, **dict(zip(fields, map(show, statement[1:])))}}


def open_cose(public_key, data):
    if data[:1] != b"\xd2":
        raise ValueError("not tagged COSE_Sign1")
    header, unprotected, payload, signature = decode(data[1:])
    fields = decode(header)
    purpose, mode, station = (fields[label] for label in (-65537, -65538, -65539))
    kid = hashlib.sha256(public_key).digest()
    expected = {1: -8, 2: [-65537, -65538, -65539], 4: kid, -65537: purpose, -65538: mode, -65539: station}
    if fields != expected or unprotected != {} or len(station) != 32:
        raise ValueError("not this key, or an unknown header")
    result = view(PURPOSES[[1, 2].index(purpose)], MODES[[1, 2, 3].index(mode)], station, kid, decode(payload))
    aad = encode([b"osnmad-envelope-1", purpose, mode, station])
    signed = b"\x84\x6aSignature1" + encode(header) + encode(aad) + encode(payload)
    if not ed25519(public_key, signed, signature):
        raise ValueError("the signature does not hold")
    return result


def canonical(data):
    """The object of canonical JSON: members in rising order and once each, no spaces, integers without exponent."""
    value = json.loads(data)
    if json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != data:
        raise ValueError("not canonical JSON")
    return value


def open_jws(public_key, text):
    header, payload, signature = text.split(".")
    kid, fields = hashlib.sha256(public_key).digest(), canonical(unbase64(header))
    purpose, mode, station = (fields[f"osnmad_{name}"] for name in ("purpose", "mode", "station"))
    expected = {"alg": "EdDSA", "crit": ["osnmad_mode", "osnmad_purpose", "osnmad_station"], "kid": kid.hex(),
                "osnmad_mode": mode, "osnmad_purpose": purpose, "osnmad_station": station, "typ": "osnmad-envelope-1"}
    if fields != expected or purpose not in PURPOSES or mode not in MODES:
        raise ValueError("not this key, or an unknown header")
    statement = canonical(unbase64(payload))
    if any(type(x) not in (str, int, type(None)) for x in statement.values()):
        raise ValueError("no statement")
    number = next(n for n, names in FIELDS.items() if names[0] == statement["kind"])
    raw = [unbase64(x) if isinstance(x, str) else x for x in (statement[name] for name in FIELDS[number][1:])]
    result = view(purpose, mode, bytes.fromhex(station), kid, [number, *raw])
    if result["statement"] != statement or not ed25519(public_key, f"{header}.{payload}".encode(), unbase64(signature)):
        raise ValueError("the signature does not hold")
    return result


def open_any(public_key, data):
    return open_cose(public_key, data) if data[:1] == b"\xd2" else open_jws(public_key, data.decode().strip())


def key_of(text):
    """The 32 bytes of a public key: hexadecimal, or of a verifier key NAME+HASH+BASE64 behind the byte of its kind."""
    if "+" not in text:
        return bytes.fromhex(text)
    _, _, encoded = text.strip().split("+", 2)
    data = base64.b64decode(encoded, validate=True)
    if len(data) != 33 or data[0] != 1:
        raise ValueError("no Ed25519 verifier key")
    return data[1:]


def split(data):
    """The envelopes of a CBOR sequence (the body of a push); a JWS as it is."""
    if data[:1] != b"\xd2":
        return [data]
    parts = []
    while data:
        _, end = decode_first(data[1:])
        parts.append(data[:end + 1])
        data = data[end + 1:]
    return parts


def main(arguments):
    if arguments[:1] == ["--vectors"]:
        vectors, good, bad = json.load(open(arguments[1])), 0, 0
        key = bytes.fromhex(vectors["publicKey"])
        for vector in vectors["vectors"]:
            for form in (bytes.fromhex(vector["cose"]), vector["jws"].encode()):
                try:
                    ok = open_any(key, form) == vector["json"]
                except (ValueError, KeyError, IndexError, TypeError):
                    ok = False
                good, bad = good + ok, bad + (not ok)
        print(f"{good} good, {bad} bad")
        return bad > 0
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        key = key_of(arguments[0])
        for one in split(sys.stdin.buffer.read() if arguments[1] == "-" else open(arguments[1], "rb").read()):
            result = open_any(key, one)
            if any(want not in (result["purpose"], result["mode"]) for want in arguments[2:]):
                raise ValueError(f"it is for a {result['purpose']}, {result['mode']}")
            print(json.dumps(result, indent=2))
    except (ValueError, KeyError, IndexError, TypeError, StopIteration, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""X-Wing (draft-connolly-cfrg-xwing-kem): X25519 and ML-KEM-768 (FIPS 203) together, keys from seeds and ciphertexts from coins. Written after both, for checking and not for speed; nothing here is secret any more."""
import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Q, N, K = 3329, 256, 3
LATTICE_KEY, LATTICE_TEXT = 1184, 1088
KEY, TEXT = LATTICE_KEY + 32, LATTICE_TEXT + 32


def reversed7(number):
    return int(f"{number:07b}"[::-1], 2)


ZETAS = [pow(17, reversed7(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * reversed7(i) + 1, Q) for i in range(128)]


def ntt(f):
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            zeta, i = ZETAS[i], i + 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length], f[j] = (f[j] - t) % Q, (f[j] + t) % Q
        length //= 2
    return f


def inverse_ntt(f):
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            zeta, i = ZETAS[i], i - 1
            for j in range(start, start + length):
                t = f[j]
                f[j], f[j + length] = (t + f[j + length]) % Q, zeta * (f[j + length] - t) % Q
        length *= 2
    return [number * 3303 % Q for number in f]


def product(f, g):
    """In the transformed domain: 128 products modulo X² − γ."""
    h = []
    for i, gamma in enumerate(GAMMAS):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h += [(a0 * b0 + a1 * b1 * gamma) % Q, (a0 * b1 + a1 * b0) % Q]
    return h


def plus(*polynomials):
    return [sum(numbers) % Q for numbers in zip(*polynomials)]


def inner(row, vector):
    return plus(*(product(f, g) for f, g in zip(row, vector)))


def pack(numbers, bits):
    return sum(number << bits * i for i, number in enumerate(numbers)).to_bytes(32 * bits, "little")


def unpack(content, bits):
    whole = int.from_bytes(content, "little")
    return [whole >> bits * i & (1 << bits) - 1 for i in range(N)]


def compress(numbers, bits):
    return [((number << bits + 1) + Q) // (2 * Q) & (1 << bits) - 1 for number in numbers]


def decompress(numbers, bits):
    return [(Q * number + (1 << bits - 1)) >> bits for number in numbers]


def sample(rho, column, row):
    """Uniform, in the transformed domain."""
    content, numbers = hashlib.shake_128(rho + bytes([column, row])).digest(1344), []
    for at in range(0, len(content), 3):
        a, b, c = content[at:at + 3]
        numbers += [number for number in (a | (b & 15) << 8, b >> 4 | c << 4) if number < Q]
    return numbers[:N]


def noise(seed, number):
    """Centred binomial, η = 2."""
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([number])).digest(128), "little")
    return [((bits >> 4 * i & 1) + (bits >> 4 * i + 1 & 1) - (bits >> 4 * i + 2 & 1) - (bits >> 4 * i + 3 & 1)) % Q for i in range(N)]


def split(content):
    digest = hashlib.sha3_512(content).digest()
    return digest[:32], digest[32:]


def vector_of(key):
    return [unpack(key[384 * i:384 * i + 384], 12) for i in range(K)]


def lattice_keys(d, z):
    rho, sigma = split(d + bytes([K]))
    s = [ntt(noise(sigma, i)) for i in range(K)]
    e = [ntt(noise(sigma, K + i)) for i in range(K)]
    t = [plus(inner([sample(rho, j, i) for j in range(K)], s), e[i]) for i in range(K)]
    key = b"".join(pack(f, 12) for f in t) + rho
    return key, (s, key, z)


def encrypt(key, message, coins):
    rho, t = key[384 * K:], vector_of(key)
    y = [ntt(noise(coins, i)) for i in range(K)]
    u = [plus(inverse_ntt(inner([sample(rho, i, j) for j in range(K)], y)), noise(coins, K + i)) for i in range(K)]
    v = plus(inverse_ntt(inner(t, y)), noise(coins, 2 * K), decompress(unpack(message, 1), 1))
    return b"".join(pack(compress(f, 10), 10) for f in u) + pack(compress(v, 4), 4)


def lattice_encapsulate(key, message):
    shared, coins = split(message + hashlib.sha3_256(key).digest())
    return encrypt(key, message, coins), shared


def lattice_decapsulate(secret, text):
    s, key, z = secret
    u = [ntt(decompress(unpack(text[320 * i:320 * i + 320], 10), 10)) for i in range(K)]
    v = decompress(unpack(text[320 * K:], 4), 4)
    w = inverse_ntt(inner(s, u))
    message = pack(compress([(a - b) % Q for a, b in zip(v, w)], 1), 1)
    shared, coins = split(message + hashlib.sha3_256(key).digest())
    return shared if encrypt(key, message, coins) == text else hashlib.shake_256(z + text).digest(32)


def expand(secret):
    content = hashlib.shake_256(secret).digest(96)
    return lattice_keys(content[:32], content[32:64]), X25519PrivateKey.from_private_bytes(content[64:])


def raw(point):
    return point.public_bytes(Encoding.Raw, PublicFormat.Raw)


def combine(lattice, point, text, key):
    return hashlib.sha3_256(lattice + point + text[LATTICE_TEXT:] + key[LATTICE_KEY:] + b"\\.//^\\").digest()


def public(secret):
    (key, _), point = expand(secret)
    return key + raw(point.public_key())


def is_sound(key):
    """Coefficients in their one encoding; what is behind them is X25519's."""
    return len(key) == KEY and all(number < Q for f in vector_of(key) for number in f)


def encapsulate(key, coins):
    """Ciphertext and secret; nothing where X25519 gives zero."""
    lattice_text, lattice = lattice_encapsulate(key[:LATTICE_KEY], coins[:32])
    own = X25519PrivateKey.from_private_bytes(coins[32:])
    text = lattice_text + raw(own.public_key())
    try:
        return text, combine(lattice, own.exchange(X25519PublicKey.from_public_bytes(key[LATTICE_KEY:])), text, key)
    except ValueError:
        return None, None


def decapsulate(secret, text):
    """The secret in a ciphertext; nothing where X25519 gives zero."""
    (key, lattice_secret), point = expand(secret)
    try:
        shared = point.exchange(X25519PublicKey.from_public_bytes(text[LATTICE_TEXT:]))
    except ValueError:
        return None
    return combine(lattice_decapsulate(lattice_secret, text[:LATTICE_TEXT]), shared, text, key + raw(point.public_key()))

"""FedMask/1 (docs/spec/fedmask.md) as a stranger sees it: from what is on the ledger to the sum of one group's updates, without any of them."""
import hmac
import math

import numpy
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import cbor
import contracts
import xwing
from ledger import demand, sha256

TAIL = 16
LARGEST_COMPLETE = 128
FORMS = ((8, 8, 1), (10, 64, 6), (12, 64, 5), (16, 16, 1), (21, 64, 3), (32, 32, 1))
PRIME = (1 << 255) - 19
# §5: corrupt in percent, and up to how many participants which (k, t).
SIZES = (200, 300, 400, 500, 600, 700, 800, 900, 1024)
BOUNDS = [(corrupt, list(zip(SIZES, shapes))) for corrupt, shapes in (
    (5, ((22, 12), (26, 14), (28, 15), (30, 17), (32, 18), (32, 18), (32, 18), (34, 19), (34, 19))),
    (10, ((36, 19), (42, 23), (46, 25), (48, 26), (48, 26), (50, 27), (50, 27), (50, 27), (52, 28))),
    (20, ((50, 31), (58, 36), (64, 40), (68, 42), (68, 42), (70, 43), (72, 44), (74, 45), (76, 47))),
    (20, ((68, 36), (80, 42), (90, 47), (96, 50), (102, 54), (106, 56), (108, 57), (110, 58), (112, 59))),
    (33, ((68, 48), (82, 57), (90, 62), (98, 67), (102, 70), (108, 74), (110, 75), (110, 75), (116, 79))),
)]


def u16(number):
    return number.to_bytes(2, "little")


def u64(number):
    return number.to_bytes(8, "little")


def label(text):
    return bytes([len(text)]) + text.encode()


def digest(text, *parts):
    return sha256(label(text), *parts)


def positions(members):
    return b"".join(map(u16, sorted(members)))


def hkdf(key, salt, info, blocks=1):
    """RFC 5869 with SHA-256, 32 bytes of output for each block."""
    extracted, output, block = hmac.digest(salt or bytes(32), key, "sha256"), b"", b""
    for number in range(1, blocks + 1):
        block = hmac.digest(extracted, block + info + bytes([number]), "sha256")
        output += block
    return output


def exchange(secret, public):
    """X25519, or None where the public key is of small order."""
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return None


def mask_secret(seed, is_hybrid=False):
    return hkdf(seed, b"", label("xwing" if is_hybrid else "x25519"))


def mask_public(seed, is_hybrid=False):
    if is_hybrid:
        return xwing.public(mask_secret(seed, True))
    return X25519PrivateKey.from_private_bytes(mask_secret(seed)).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def keystream(key, length):
    """§4: block c is AES(K, u64 c ‖ u64 0)."""
    counters = numpy.zeros((-(-length // 16), 2), "<u8")
    counters[:, 0] = numpy.arange(len(counters))
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(counters.tobytes())[:length]


def shuffle(count, key):
    """Fisher and Yates, by the keystream read as 32-bit numbers (§5)."""
    numbers = iter(numpy.frombuffer(keystream(key, 64 * count + 4096), "<u4").tolist())
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        least = (1 << 32) // (last + 1) * (last + 1)
        place = next(number for number in numbers if number < least) % (last + 1)
        order[last], order[place] = order[place], order[last]
    return order


def _tables():
    powers, value = [], 1
    for _ in range(255):
        powers.append(value)
        # Times the generator X + 1, modulo x⁸ + x⁴ + x³ + x + 1.
        value ^= value << 1 ^ (0x11B if value & 0x80 else 0)
    return powers * 2, {power: exponent for exponent, power in enumerate(powers)}


POWERS, LOGS = _tables()


def product(a, b):
    return POWERS[LOGS[a] + LOGS[b]] if a and b else 0


def quotient(a, b):
    return POWERS[LOGS[a] - LOGS[b] + 255] if a else 0


def interpolate(shares):
    """§6: the secret from t pairs of point and share."""
    secret = bytearray(32)
    for x, share in shares:
        factor = 1
        for other, _ in shares:
            if other != x:
                factor = product(factor, quotient(other, x ^ other))
        for at in range(32):
            secret[at] ^= product(share[at], factor)
    return bytes(secret)


class Layout:
    """§8: how lanes lie in bytes."""

    def __init__(self, most, levels, length):
        self.bits, self.width, self.slots = next(form for form in FORMS if most * levels < 1 << form[0] - 1)
        self.length, self.words = length, -(-length // self.slots)
        self.payload = -(-self.words * self.width // 8 // 64) * 64
        self.bytes = self.payload + 4 * TAIL
        self.type = numpy.dtype(f"<u{self.width // 8}")

    def lanes(self, payload):
        """The numbers in a sum's payload."""
        words = payload[:self.words].view(f"<i{self.width // 8}").astype(numpy.int64)
        if self.slots == 1:
            return words[:self.length]
        slots = []
        for _ in range(self.slots):
            digits = words << 64 - self.bits >> 64 - self.bits
            slots.append(digits)
            words = words - digits >> self.bits
        return numpy.concatenate(slots)[:self.length]


class Total:
    """A sum of masked updates and masks: payload and tail wrap around by themselves."""

    def __init__(self, layout):
        self.layout, self.payload, self.tail = layout, numpy.zeros(layout.payload * 8 // layout.width, layout.type), numpy.zeros(TAIL, "<u4")

    def add(self, content, sign=1):
        payload, tail = numpy.frombuffer(content[:self.layout.payload], self.layout.type), numpy.frombuffer(content[self.layout.payload:], "<u4")
        (numpy.add if sign > 0 else numpy.subtract)(self.payload, payload, out=self.payload)
        (numpy.add if sign > 0 else numpy.subtract)(self.tail, tail, out=self.tail)


class Group:
    """One instance of the protocol: an attempt without groups has one, of everybody."""

    def __init__(self, attempt, members, number, genesis, layout):
        self.attempt, self.number, self.genesis, self.layout = attempt, number, genesis, layout
        self.agreement, self.members = attempt.agreement, sorted(members)
        self.failure = None

    def require(self, condition, name, what):
        demand(condition, name, f"{self.attempt.file}: {what} ({self.attempt.where()}{f', group {self.number}' if self.agreement.groups else ''})")

    def fix(self):
        """What each phase fixed (contracts.md, Rounds with masks), up to whose openings count; the group fails where too few are left."""
        self.failure = self.fix_keys() or self.fix_shares() or self.fix_masks() or self.fix_order() or self.fix_reveals()

    def fix_keys(self):
        adverts, agreement = self.attempt.adverts, self.agreement
        self.cohort = [i for i in self.members if i in adverts]
        n, c = len(self.cohort), agreement.corrupt
        roster = digest("fedmask/1/roster", *map(sha256, sorted(self.attempt.roster)))
        self.ctx = digest("fedmask/1/ctx", self.genesis.chain, agreement.digest, u64(self.attempt.round), u64(self.attempt.number), self.attempt.base, self.attempt.configuration, roster)
        for i in self.cohort:
            self.require(adverts[i][0] == self.ctx, "WrongContext", f"the keys of {agreement.names[i]} are about another attempt")
        is_sparse = n > LARGEST_COMPLETE
        bound = BOUNDS[agreement.graph_bound]
        if n < max(3, agreement.minimum, 3 * c + 1) or n > agreement.most or agreement.minimum < c + 3 or c > (n * bound[0] // 100 if is_sparse else (n - 1) // 3):
            return "TooFewKeys"
        keys = [key for i in self.cohort for key in adverts[i][1:3]]
        self.require(len(set(keys)) == len(keys), "DuplicateKey", "a key is advertised twice")
        if agreement.is_hybrid:
            self.require(all(xwing.is_sound(key) for key in keys), "WeakKey", "a key of ML-KEM is not in its one encoding")
        for key in keys:
            key = key[xwing.LATTICE_KEY:] if agreement.is_hybrid else key
            self.require(len(key) == 32 and int.from_bytes(key, "little") < PRIME and exchange(bytes(32), key), "WeakKey", "a key is of small order, or not in its one encoding")
        shown = self.attempt.draws[self.ctx].shown if is_sparse else []
        self.require(not is_sparse or len(shown) == self.genesis.faulty + 1, "GraphNotDrawn", "too few seats showed their numbers")
        beacon = digest("fedmask/1/beacon", self.ctx, u64(len(shown)), *shown, *(adverts[i][3] for i in self.cohort))
        self.ctx1 = digest("fedmask/1/ctx1", self.ctx, sha256(positions(self.cohort)), beacon)
        self.degree, self.threshold = next(shape for most, shape in bound[1] if n <= most) if is_sparse else (n - 1, min(2 * n // 3 + 1, n - 1))
        self.circle = shuffle(n, hkdf(beacon, self.ctx, label("graph"))) if is_sparse else None
        self.neighbours = {}
        return None

    def around(self, i):
        """N(i) (§5): all others, or those who stand next on the circle."""
        if not self.circle:
            return [j for j in self.cohort if j != i]
        if i not in self.neighbours:
            place, n = self.circle.index(self.cohort.index(i)), len(self.circle)
            self.neighbours[i] = sorted(self.cohort[self.circle[(place + step) % n]] for half in (1, -1) for step in range(half, half * (self.degree // 2 + 1), half))
        return self.neighbours[i]

    def fix_shares(self):
        shares = self.attempt.shares
        for i in self.cohort:
            self.require(i not in shares or shares[i][0] == self.ctx1, "WrongContext", f"the shares of {self.agreement.names[i]} are about another cohort")
        self.dealers = [i for i in self.cohort if i in self.attempt.held(contracts.SHARES, self.genesis.faulty + 1)]
        return "TooFewShares" if len(self.dealers) < self.agreement.minimum else None

    def fix_masks(self):
        """(U2, E'), kept as the neighbours of each."""
        accepted = {i: self.acknowledged(i) for i in self.cohort}
        edges = {i: {j for j in accepted[i] if i in accepted[j]} for i in self.cohort}
        while any(len(around) < self.threshold for around in edges.values()):
            edges = {i: around for i, around in edges.items() if len(around) >= self.threshold}
            edges = {i: around & edges.keys() for i, around in edges.items()}
        self.edges = edges
        pairs = sorted((i, j) for i in edges for j in edges[i] if i < j)
        self.ctx2 = digest("fedmask/1/ctx2", self.ctx1, sha256(positions(edges)), sha256(b"".join(u16(i) + u16(j) for i, j in pairs)))
        return "TooFewShares" if len(edges) < self.agreement.minimum else None

    def acknowledged(self, i):
        if i not in self.attempt.acks:
            return set()
        context, bits = self.attempt.acks[i]
        self.require(context == self.ctx1, "WrongContext", f"the acknowledgement of {self.agreement.names[i]} is about another cohort")
        return {j for at, j in enumerate(self.around(i)) if bits[at // 8] >> at % 8 & 1}

    def fix_order(self):
        inputs, held = self.attempt.inputs, self.attempt.held(contracts.INPUT, self.genesis.faulty + 1 if self.agreement.projected else self.genesis.quorum)
        for i in self.edges:
            self.require(i not in inputs or inputs[i][0] == self.ctx2, "WrongContext", f"the masked update of {self.agreement.names[i]} is about another graph")
        self.survivors = {i for i in self.edges if i in held}
        self.dropped = self.edges.keys() - self.survivors
        if len(self.survivors) < self.agreement.minimum:
            return "TooFewInputs"
        if any(len(around & self.survivors) < self.threshold for around in self.edges.values()):
            return "TooManyDropped"
        if not self.connected():
            return "SurvivorsApart"
        self.order = digest("order", self.ctx2, u64(len(self.survivors)), positions(self.survivors), u64(len(self.dropped)), positions(self.dropped))
        confirms = {i: order for i, (order,) in self.attempt.confirms.items() if i in self.members}
        for i, order in confirms.items():
            self.require(i in self.survivors and order == self.order, "WrongOrder", f"{self.agreement.names[i]} confirmed another order")
        return "ConfirmsMissing" if len(confirms) < (len(self.cohort) + self.agreement.corrupt) // 2 + 1 else None

    def connected(self):
        reached, ahead = set(), [min(self.survivors)]
        while ahead:
            i = ahead.pop()
            reached.add(i)
            ahead.extend(self.edges[i] & self.survivors - reached)
        return reached == self.survivors

    def fix_reveals(self):
        revealing = {i: self.attempt.reveals[i] for i in self.survivors if i in self.attempt.reveals}
        for i, (order, b, _) in revealing.items():
            self.require(order == self.order, "WrongOrder", f"{self.agreement.names[i]} revealed about another order")
            self.require(self.commitment(i, b) == self.attempt.shares[i][1], "WrongSecret", f"b of {self.agreement.names[i]} misses its hB")
        opened = self.attempt.held(contracts.OPENINGS, self.genesis.faulty + 1)
        self.revealed = {i: reveal for i, reveal in revealing.items() if i in opened}
        self.silent = self.survivors - self.revealed.keys()
        if any(len(self.edges[i] & self.revealed.keys()) < self.threshold for i in self.dropped | self.silent):
            return "RevealsMissing"
        opened = self.attempt.held(contracts.SILENT, self.genesis.faulty + 1) if self.silent else set()
        self.late = {i: self.attempt.silents[i] for i in self.revealed if i in opened}
        for i, (order, _) in self.late.items():
            self.require(order == self.order, "WrongOrder", f"{self.agreement.names[i]} opened the silent about another order")
        return "RevealsMissing" if any(len(self.edges[i] & self.late.keys()) < self.threshold for i in self.silent) else None

    def commitment(self, i, b):
        return digest("hb", self.ctx1, u16(i), b)

    def openings(self, kind, holder, content, whose):
        """§7: what a holder opens, each share against its dealer's leaf; exactly those of its neighbours in E' that are asked about."""
        lists = [content[at:at + 51] for at in range(3, len(content), 51)]
        asked = sorted(self.edges[holder] & whose)
        head = content[:3] == bytes([kind]) + u16(len(asked)) and len(content) == 3 + 51 * len(asked)
        self.require(head and [int.from_bytes(item[:2], "little") for item in lists] == asked, "HolderFault", f"{self.agreement.names[holder]} opens shares of others than it must")
        for dealer, item in zip(asked, lists):
            place = self.around(dealer).index(holder)
            leaf = digest("ls" if kind == 1 else "lb", self.ctx1, u16(dealer), u16(holder), item[2:])
            at = 177 * place + (0 if kind == 1 else 32)
            good = item[2] == place + 1 and leaf == self.dealt[dealer][at:at + 32]
            self.require(good, "HolderFault", f"the share of {self.agreement.names[dealer]} that {self.agreement.names[holder]} opens misses its leaf")
            yield dealer, (item[2], item[3:35])

    def recover(self, kind, opened, whose, blob):
        """The secrets of these dealers from the first t openings of each, by position of the holder."""
        shares = {dealer: [] for dealer in whose}
        for holder in sorted(opened):
            for dealer, share in self.openings(kind, holder, blob(opened[holder][-1]), whose):
                shares[dealer].append(share)
        secrets = {}
        for dealer, points in shares.items():
            secrets[dealer] = secret = interpolate(points[:self.threshold])
            good = mask_public(secret, self.agreement.is_hybrid) == self.attempt.adverts[dealer][1] if kind == 1 else self.commitment(dealer, secret) == self.attempt.shares[dealer][1]
            self.require(good, "DealerFault", f"the secret that {self.agreement.names[dealer]} shared is not the one that it committed to")
        return secrets

    def masks(self, blob):
        """Key and sign of every mask that is left in the sum of the survivors' updates (§9)."""
        self.dealt = {}
        for dealer in self.opened():
            self.dealt[dealer] = blob(self.attempt.shares[dealer][2])
            texts = sum(1 if j < dealer else 2 for j in self.around(dealer)) * xwing.TEXT if self.agreement.is_hybrid else 0
            self.require(len(self.dealt[dealer]) == 177 * self.degree + texts, "WrongLength", f"the blob of the shares that {self.agreement.names[dealer]} dealt has another length")
        seeds = self.recover(1, self.revealed, self.dropped, blob)
        own = {i: reveal[1] for i, reveal in self.revealed.items()} | self.recover(2, self.late, self.silent, blob)
        for i in sorted(self.survivors):
            yield hkdf(own[i], self.ctx2, label("self") + u16(i)), 1
        for j, seed in seeds.items():
            for i in sorted(self.edges[j] & self.survivors):
                shared = self.agree(seed, j, i)
                yield hkdf(shared, self.ctx2, label("pair") + u16(min(i, j)) + u16(max(i, j))), 1 if i < j else -1

    def opened(self):
        """Whose dealt shares are read: of who dropped out or fell silent, and where a ciphertext tells a secret, of the survivors that made one for somebody who dropped out."""
        made = {i for j in self.dropped for i in self.edges[j] & self.survivors if i < j} if self.agreement.is_hybrid else set()
        return self.dropped | self.silent | made

    def agree(self, seed, j, i):
        """The secret of j, whose seed this is, with i (§3)."""
        if not self.agreement.is_hybrid:
            return exchange(mask_secret(seed), self.attempt.adverts[i][1])
        smaller, larger = min(i, j), max(i, j)
        text = self.text(smaller, larger)
        if j == larger:
            shared, fits = xwing.decapsulate(mask_secret(seed, True), text), True
        else:
            made, shared = xwing.encapsulate(self.attempt.adverts[i][1], hkdf(seed, sha256(self.attempt.adverts[i][1]), label("coins") + u16(j) + u16(i), 2))
            fits = made == text
        self.require(fits and shared, "DealerFault", f"the ciphertext of {self.agreement.names[smaller]} for {self.agreement.names[larger]} is none of its seed")
        return shared

    def text(self, dealer, holder):
        """The ciphertext behind entries and envelopes' ciphertexts (§7)."""
        larger = [j for j in self.around(dealer) if j > dealer]
        at = 177 * self.degree + xwing.TEXT * (self.degree + larger.index(holder))
        return self.dealt[dealer][at:at + xwing.TEXT]

    def sum(self, blob):
        """Lanes and tail of the survivors' sum (aggregation.md §7)."""
        total = Total(self.layout)
        for i in sorted(self.survivors):
            content = blob(self.attempt.inputs[i][1])
            self.require(len(content) == self.layout.bytes, "WrongLength", f"the masked update of {self.agreement.names[i]} has another length")
            total.add(content)
        masks = Total(self.layout)
        for key, sign in self.masks(blob):
            masks.add(keystream(key, self.layout.bytes), sign)
        masks = masks.payload.tobytes() + masks.tail.tobytes()
        total.add(masks, -1)
        self.masked_by = sha256(masks)
        self.require(not total.payload[self.layout.words:].any(), "CanaryMismatch", "the sum still holds masks behind its last lane")
        return self.admit(self.layout.lanes(total.payload), total.tail.tobytes())

    def admit(self, lanes, tail):
        """What can be asked of a sum by itself; lanes and tail as they are published."""
        m, numbers = len(self.survivors), numpy.frombuffer(tail, "<i4")
        self.require((numbers[:3] == m).all() and not numbers[10:].any(), "CanaryMismatch", "the sum still holds masks, or something that is no update")
        self.weight = sum(self.agreement.weights[i] for i in self.survivors)
        self.require(numbers[3] == self.weight, "WeightOutOfRange", "the weight in the sum is not that of its survivors")
        reach = 100 * m * self.agreement.noise
        limit = m * self.agreement.levels + (math.isqrt(reach - 1) + 1 if reach else 0)
        self.require(numpy.abs(lanes).max() <= limit, "LaneOutOfRange", "a lane of the sum is beyond what updates give")
        return lanes.astype("<i4"), tail

    def inputs(self):
        """What a proposal must name of the group (contracts.md, Rounds with masks)."""
        names = [[[i, opened[i][-1]] for i in sorted(opened)] for opened in (self.revealed, self.late)]
        return sha256(b"FLv1-unmasked\0", self.order, *map(cbor.write, names))

"""The ledger in an export (docs/spec/export.md, block.md, transaction.md, receipt.md): files, blocks, signatures, finality, and for each transaction its leaf under a quorum's cosignatures."""
import collections
import hashlib
import pathlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

import cbor
import check
import evidence

CHUNK = 65_536
KIBI = 1024
# The most bytes of a file, by how its name begins.
LIMITS = {"genesis.cbor": 64 * KIBI, "checkpoint.note": 64 * KIBI, "receipts/": 256 * KIBI, "blocks/": 5 * KIBI * KIBI, "statements/": KIBI * KIBI, "blobs/": KIBI ** 3, "model.safetensors": KIBI ** 3}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Entry = collections.namedtuple("Entry", "file index time actor key_id contract method arguments result")


class Fault(Exception):
    """What is wrong, by the name that docs/spec/errors.md gives it."""

    def __init__(self, name, what):
        super().__init__(f"{name} {what}")
        self.name = name


def demand(condition, name, what):
    if not condition:
        raise Fault(name, what)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(content):
    """The name of a blob: RFC 6962 §2.1 over its chunks (aggregation.md §4)."""
    if not content:
        return sha256()
    level = [sha256(b"\0", content[at:at + CHUNK]) for at in range(0, len(content), CHUNK)]
    while len(level) > 1:
        pairs = [sha256(b"\1", left, right) for left, right in zip(level[::2], level[1::2])]
        level = pairs + level[len(pairs) * 2:]
    return level[0]


class Export:
    """The files of a folder, each used or refused."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
        demand(not any(path.is_symlink() for path in self.files.values()), "UnexpectedFile", "there is a link")
        self.used = set()

    def read(self, name, fault="MissingFile"):
        demand(name in self.files, fault, name)
        limit = next(limit for begin, limit in LIMITS.items() if name.startswith(begin))
        demand(self.files[name].stat().st_size <= limit, "TooLarge", name)
        self.used.add(name)
        return self.files[name].read_bytes()

    def text(self, name):
        try:
            return self.read(name).decode()
        except UnicodeDecodeError:
            raise Fault("Malformed", f"{name}: no text")

    def parse(self, name):
        try:
            return cbor.read(self.read(name))
        except cbor.Refused as why:
            raise Fault("Malformed", f"{name}: {why}")

    def blob(self, root):
        content = self.read(f"blobs/{root.hex()}", "MissingBlob")
        demand(root_of(content) == root, "BadBlob", f"blobs/{root.hex()}")
        return content

    def finish(self, seats):
        """Nothing is here that no page knows; statements of seats are for other tools (statement.md)."""
        statements = {f"statements/{organisation}.sigstore.json" for organisation, *_ in seats}
        for name in sorted(self.files.keys() - self.used - statements):
            raise Fault("UnexpectedFile", name)


class Genesis:
    def __init__(self, content):
        version, self.origin, self.shard, self.time, (self.era, seats) = cbor.read(content)
        demand(version == 1, "Malformed", "genesis.cbor")
        self.chain = sha256(b"FLv1-genesis\0", content)
        self.seats = [(organisation, *(None if key is None else tuple(key) for key in keys)) for organisation, *keys in seats]
        self.validators = sha256(cbor.write([self.era, seats]))
        self.count, self.faulty = len(seats), (len(seats) - 1) // 3
        self.quorum = (self.count + self.faulty) // 2 + 1 if self.count > 3 else self.count

    def seat_of(self, actor, key_id):
        """The number of the seat whose organisation and transaction key these are, or None."""
        return next((at for at, seat in enumerate(self.seats) if (seat[0], id_of(seat[1])) == (actor, key_id)), None)


def id_of(key):
    return sha256(bytes([-key[0]]), key[1])[:16]


def signed(key, signature, message):
    """Ed25519 or ES256 with a low s; r and s side by side."""
    algorithm, public = key
    if algorithm == -8:
        return evidence.signed(public, signature, message)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if algorithm != -7 or len(signature) != 64 or s > P256_ORDER // 2:
        return False
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        point.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        return True
    except (InvalidSignature, ValueError):
        return False


class Transaction:
    def __init__(self, content, file, genesis):
        protected, unprotected, payload, self.signature = cbor.read(content)
        self.algorithm = {b"\xa1\x01\x26": -7, b"\xa1\x01\x27": -8}.get(protected)
        demand(self.algorithm and unprotected == {}, "Malformed", f"{file}: a transaction's head")
        self.message = cbor.write(["Signature1", protected, b"FLv1-tx", payload])
        self.digest = sha256(self.message)
        version, chain, shard, self.actor, self.key_id, self.id, _, self.contract, self.method, arguments, _ = cbor.read(payload)
        demand((version, chain, shard) == (1, genesis.chain, genesis.shard), "BlockDoesNotExecute", f"{file}: a transaction of another ledger")
        self.arguments = cbor.read(arguments)

    def check_signature(self, keys, file):
        """Keys as they were registered before the block."""
        owner, key = keys.get(self.key_id, (None, (0, b"")))
        good = owner == self.actor and key[0] == self.algorithm and signed(key, self.signature, self.message)
        demand(good, "BadSignature", f"{file}: {self.contract}.{self.method} by {self.actor}")


class Ledger:
    def __init__(self, export, policy):
        self.export, self.notes, self.roots, self.receipts = export, {}, {}, 0
        try:
            self.policy = check.Policy(policy)
            self.genesis = Genesis(export.read("genesis.cbor"))
        except (cbor.Refused, ValueError, TypeError, KeyError, IndexError) as why:
            raise Fault("Malformed", f"genesis.cbor: or the trust policy: {why}")
        self.checkpoint = export.text("checkpoint.note")
        try:
            self.head = check.check_note(self.checkpoint, self.policy)
        except (cbor.Refused, ValueError) as why:
            raise Fault("CheckpointNotTrusted", f"checkpoint.note: {why}")

    def blocks(self, keys):
        """Every block's entries, its own rules and signatures checked; keys gives those that are registered before the next block."""
        numbers = range(1, 1 + sum(re.fullmatch("blocks/[0-9]{9}.cbor", name) is not None for name in self.export.files))
        demand(len(numbers) > 0, "MissingFile", "blocks/000000001.cbor")
        self.parent, self.size, self.time = None, 1, self.genesis.time
        for height in numbers:
            file = f"blocks/{height:09}.cbor"
            content, finalization = self.export.parse(file)
            try:
                yield self.entries(file, height, content, finalization, height == numbers[-1], keys())
            except (cbor.Refused, ValueError, TypeError, IndexError) as why:
                raise Fault("Malformed", f"{file}: {why}")
        self.close()

    def entries(self, file, height, content, finalization, newest, keys):
        header, body = cbor.read(content)
        (version, chain, shard, era, number, parent, time, _, size, root, body_hash, _, validators, following, protocol) = cbor.read(header)
        transactions = [Transaction(item, file, self.genesis) for item in cbor.read(body)]
        demand(era == self.genesis.era and following is None, "LaterEra", f"{file}: this program knows the validators of genesis only")
        rules = {
            "version": (version, protocol) == (1, 1), "chain": (chain, shard) == (self.genesis.chain, self.genesis.shard), "height": number == height,
            "parent": self.parent in (None, parent), "time": time > self.time, "size": size == self.size + 1 + len(transactions),
            "body": body_hash == sha256(body), "validators": validators == self.genesis.validators,
        }
        for rule, holds in rules.items():
            demand(holds, "BlockDoesNotExecute", f"{file}: another {rule} than it must have")
        self.parent = sha256(b"FLv1-block\0", header)
        demand(finalization is not None or not newest, "NotFinal", file)
        if finalization is not None:
            self.check_finalization(file, finalization)
        for transaction in transactions:
            transaction.check_signature(keys, file)
        first, self.size, self.time = self.size + 1, size, time
        self.roots[size] = root
        return [self.entry(file, height, place, first + place, item) for place, item in enumerate(transactions)]

    def check_finalization(self, file, content):
        kind, era, view, parent, digest, signers, signatures = cbor.read(content)
        seats = [seat for seat in range(31) if signers >> seat & 1]
        vote = (kind, era, view, parent, digest)
        good = kind == evidence.FINALIZE and digest == self.parent and era == self.genesis.era and parent == 0 and len(seats) >= self.genesis.quorum
        good = good and seats[-1] < self.genesis.count and len(signatures) == 64 * len(seats) and signers >> 31 == 0
        message = evidence.preimage(self.genesis.chain, self.genesis.shard, vote) if good else b""
        good = good and all(signed(self.genesis.seats[seat][2], signatures[64 * at:64 * at + 64], message) for at, seat in enumerate(seats))
        demand(good, "BadFinalization", file)

    def entry(self, file, height, place, index, item):
        leaf = cbor.read(self.leaf(index))
        expected = [1, height, place, item.actor, item.key_id, item.id, item.digest]
        demand(leaf[:7] == expected and len(leaf) == 9, "ReceiptDiffers", f"receipts/{index:09}.tlog-proof: another leaf than {file} has")
        return Entry(file, index, self.time, item.actor, item.key_id, item.contract, item.method, item.arguments, leaf[7])

    def leaf(self, index):
        """The leaf that a receipt proves under the trust policy."""
        file = f"receipts/{index:09}.tlog-proof"
        head, _, note = self.export.text(file).partition("\n\n")
        try:
            first, extra, number, *path = head.split("\n")
            cbor.require((first, extra[:6], number[:6]) == ("c2sp.org/tlog-proof@v1", "extra ", "index ") and note, "no tlog-proof")
            proven, leaf, path = check.number(number[6:]), check.decode(extra[6:]), [check.decode(line) for line in path]
        except (cbor.Refused, ValueError) as why:
            raise Fault("Malformed", f"{file}: {why}")
        try:
            if note not in self.notes:
                self.notes[note] = (*check.check_note(note, self.policy), file)
            size, root, _ = self.notes[note]
            cbor.require(check.root_of(proven, size, sha256(b"\0", leaf), path) == root, "another root")
        except (cbor.Refused, ValueError) as why:
            raise Fault("BadReceipt", f"{file}: {why}")
        demand(proven == index, "ReceiptDiffers", f"{file}: of another leaf")
        self.receipts += 1
        return leaf

    def close(self):
        """The newest block's tree is the checkpoint's, and receipts of leaves that are no transaction's verify too."""
        demand(self.checkpoint.split("\n", 1)[0] == self.genesis.origin, "CheckpointNotTrusted", "checkpoint.note: of another log")
        demand(self.head == (self.size, self.roots[self.size]), "CheckpointDiffers", "checkpoint.note: about another tree than the blocks make")
        for name in sorted(name for name in self.export.files.keys() - self.export.used if name.startswith("receipts/")):
            index = int(name[9:18]) if name[9:18].isdigit() else -1
            demand(name == f"receipts/{index:09}.tlog-proof" and index < self.size, "UnexpectedFile", name)
            demand(self.leaf(index)[:2] == b"\x85\x02", "ReceiptDiffers", f"{name}: a transaction's leaf where there is none")
        for size, root, file in self.notes.values():
            demand(size > self.size or self.roots.get(size) == root, "ReceiptDiffers", f"{file}: of a tree that the blocks do not make")

"""Checks evidence after docs/spec/consensus.md §10, with Python's cryptography and nothing of ours.

    evidence.py FOLDER

Prints, for each NAME.evidence, "NAME proven KEY…" (the named public keys in hexadecimal) or "NAME refused: why".
"""
import base64
import hashlib
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cbor import Cbor, Refused, require

NOTARIZE, NULLIFY, FINALIZE = 1, 2, 3


def signed(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def is_bytes(value, length):
    return isinstance(value, bytes) and len(value) == length


def key_of(item):
    require(isinstance(item, list) and len(item) == 2 and item[0] == -8 and is_bytes(item[1], 32), "no Ed25519 key")
    return item[1]


def vote_of(items):
    kind, era, view, parent, digest = items
    require(all(isinstance(number, int) and 0 <= number < 1 << 63 for number in (kind, era, view, parent)) and is_bytes(digest, 32), "no vote")
    require(kind in (NOTARIZE, NULLIFY, FINALIZE) and view > 0, "no vote")
    require(parent < view if kind == NOTARIZE else parent == 0, "no vote")
    require((digest == bytes(32)) == (kind == NULLIFY), "no vote")
    return tuple(items)


def preimage(chain, shard, vote):
    kind, era, view, parent, digest = vote
    return b"FLv1-vote\0" + bytes([kind]) + chain + shard + b"".join(number.to_bytes(8, "big") for number in (era, view, parent)) + digest


def contradict(one, other):
    kinds = {one[0], other[0]}
    return one[1:3] == other[1:3] and one != other and kinds in ({NOTARIZE}, {FINALIZE}, {NULLIFY, FINALIZE})


def check_votes(chain, shard, key, first, second):
    require(all(isinstance(vote, list) and len(vote) == 7 and isinstance(vote[5], int) and 0 <= vote[5] < 31 for vote in (first, second)), "no signed votes")
    require(first[5] == second[5], "two seats")
    one, other, key = vote_of(first[:5]), vote_of(second[:5]), key_of(key)
    require(contradict(one, other), "no contradiction")
    for vote, signature in ((one, first[6]), (other, second[6])):
        require(is_bytes(signature, 64) and signed(key, signature, preimage(chain, shard, vote)), "a bad signature")
    return [key]


def check_fork(chain, shard, first, second, signers):
    require(all(isinstance(vote, list) and len(vote) == 5 for vote in (first, second)), "no votes")
    one, other = vote_of(first), vote_of(second)
    require(contradict(one, other), "no contradiction")
    keys, seats = [], []
    for seat, key, before, after in signers:
        keys.append(key_of(key))
        seats.append(seat)
        require(is_bytes(before, 64) and signed(keys[-1], before, preimage(chain, shard, one)), "a bad signature")
        require(is_bytes(after, 64) and signed(keys[-1], after, preimage(chain, shard, other)), "a bad signature")
    require(keys and len(set(keys)) == len(keys), "nobody, or somebody twice")
    require(seats == sorted(set(seats)) and 0 <= seats[0] and seats[-1] < 31, "seats out of order")
    return keys


def decode(text):
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("no base64")
    require(base64.b64encode(content).decode() == text, "base64 in another spelling")
    return content


def checkpoint(note, name, kind, content):
    require("\n\n" in note and note.endswith("\n"), "no note")
    text, lines = note.rsplit("\n\n", 1)
    text += "\n"
    key_id = hashlib.sha256(name.encode() + b"\n" + content).digest()[:4]
    good = False
    for line in lines[:-1].split("\n"):
        require(line.count(" ") == 2 and line.startswith("— "), "no signature line")
        _, who, signature = line.split(" ")
        signature = decode(signature)
        if who != name or signature[:4] != key_id:
            continue
        if kind == 1:
            good |= signed(content[1:], signature[4:], text.encode())
        elif len(signature) == 76:
            good |= signed(content[1:], signature[12:], f"cosignature/v1\ntime {int.from_bytes(signature[4:12], 'big')}\n{text}".encode())
    require(good, "not signed by the key")
    require(text.count("\n") == 3, "no checkpoint")
    origin, size, root, _ = text.split("\n")
    require(size.isascii() and size.isdigit() and str(int(size)) == size and len(decode(root)) == 32, "no checkpoint")
    return origin, int(size), decode(root)


def is_consistent(old, size, proof, old_root, root):
    """RFC 9162, 2.1.4.2."""
    node, last = old - 1, size - 1
    proof = list(proof)
    if old & old - 1 == 0:
        proof.insert(0, old_root)
    if not proof:
        return False
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before = hashlib.sha256(b"\1" + sibling + before).digest()
            after = hashlib.sha256(b"\1" + sibling + after).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = hashlib.sha256(b"\1" + after + sibling).digest()
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == root


def check_split_view(key, first, second, root, proof):
    require(isinstance(key, str) and key.count("+") >= 2, "no key")
    name, key_id, content = key.split("+", 2)
    content = decode(content)
    require(len(content) == 33 and content[0] in (1, 4), "no key")
    require(key_id == hashlib.sha256(name.encode() + b"\n" + content).digest()[:4].hex(), "a key with another id")
    require(isinstance(first, str) and isinstance(second, str) and isinstance(proof, list) and all(is_bytes(node, 32) for node in proof), "no notes")
    one, other = (checkpoint(note, name, content[0], content) for note in (first, second))
    require(one[0] == other[0], "two logs")
    if one[1] == other[1]:
        require(root is None and not proof and one[2] != other[2], "no contradiction")
    else:
        require(is_bytes(root, 32) and 0 < one[1] < other[1] and root != one[2], "no contradiction")
        require(is_consistent(one[1], other[1], proof, root, other[2]), "no consistency proof")
    return [content[1:]]


def check(content):
    reader = Cbor(content)
    items = reader.item()
    require(reader.at == len(content) and isinstance(items, list) and len(items) == 6, "no evidence")
    kind = items[0]
    if kind == 3:
        return check_split_view(*items[1:])
    require(kind in (1, 2) and is_bytes(items[1], 32) and is_bytes(items[2], 16), "no evidence")
    return (check_votes if kind == 1 else check_fork)(*items[1:])


if __name__ == "__main__":
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.evidence")):
        try:
            print(path.stem, "proven", *(key.hex() for key in check(path.read_bytes())))
        except (Refused, ValueError, TypeError) as why:
            print(path.stem, f"refused: {why}")

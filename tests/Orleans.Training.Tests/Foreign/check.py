"""Checks tlog-proofs with their cosignatures against a tlog-policy, with Python's cryptography and nothing of ours.

    check.py FOLDER

NAME.proof is a tlog-proof, NAME.policy the policy for it. Prints "NAME accepted" or "NAME refused: why" for each.
"""
import base64
import hashlib
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cbor import Refused, require


def decode(text):
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("no base64")
    require(base64.b64encode(content).decode() == text, "base64 in another spelling")
    return content


def number(text):
    require(re.fullmatch("0|[1-9][0-9]*", text), "no number")
    return int(text)


class Key:
    def __init__(self, vkey, kind):
        self.name, key_id, content = vkey.split("+", 2)
        content = decode(content)
        require(content[0] == kind and len(content) == 33, "a key of another kind")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + content).digest()[:4]
        require(self.id.hex() == key_id, "a key with another id")
        self.public = Ed25519PublicKey.from_public_bytes(content[1:])

    def signed(self, signature, message):
        try:
            self.public.verify(signature, message)
            return True
        except InvalidSignature:
            return False


class Policy:
    def __init__(self, text):
        self.logs, self.members, quorums = [], {"none": lambda signed: True}, []
        for line in text.split("\n"):
            items = line.split()
            if not items or items[0].startswith("#"):
                continue
            if items[0] == "log":
                self.logs.append(Key(items[1], 1))
            elif items[0] == "witness":
                self.define(items[1], lambda signed, key=Key(items[2], 4): signed(key))
            elif items[0] == "group":
                self.define(items[1], self.group(items[2], items[3:]))
            else:
                require(items[0] == "quorum", "no line of a policy")
                quorums.append(self.members[items[1]])
        require(len(quorums) == 1, "not one quorum")
        self.quorum = quorums[0]

    def define(self, name, rule):
        require(name not in self.members, "a name twice")
        self.members[name] = rule

    def group(self, threshold, names):
        rules = [self.members[name] for name in names]
        least = {"any": 1, "all": len(rules)}.get(threshold) or number(threshold)
        require(1 <= least <= len(rules), "no threshold")
        return lambda signed: sum(rule(signed) for rule in rules) >= least


def check_note(note, policy):
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    require(signatures.endswith("\n"), "a note that is cut short")
    lines = []
    for line in signatures[:-1].split("\n"):
        dash, name, content = line.split(" ")
        require(dash == "\u2014", "no signature line")
        content = decode(content)
        lines.append((name, content[:4], content[4:]))
    origin, size, root, end = text.split("\n")
    require(end == "" and len(decode(root)) == 32, "no checkpoint")

    def by_log(key):
        return key.name == origin and any(key.signed(rest, text.encode()) for name, key_id, rest in lines if (name, key_id) == (key.name, key.id))

    def cosigned(key):
        for name, key_id, rest in lines:
            if (name, key_id) == (key.name, key.id) and len(rest) == 72:
                time = int.from_bytes(rest[:8], "big")
                if key.signed(rest[8:], f"cosignature/v1\ntime {time}\n{text}".encode()):
                    return True
        return False

    require(any(by_log(key) for key in policy.logs), "no known log signed")
    require(policy.quorum(cosigned), "too few cosignatures")
    return number(size), decode(root)


def root_of(index, size, leaf_hash, path):
    """RFC 9162, 2.1.3.2."""
    require(index < size, "an index beyond the tree")
    node, last, current = index, size - 1, leaf_hash
    for sibling in path:
        require(last != 0, "a path that is too long")
        if node & 1 or node == last:
            current = hashlib.sha256(b"\x01" + sibling + current).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = hashlib.sha256(b"\x01" + current + sibling).digest()
        node, last = node >> 1, last >> 1
    require(last == 0, "a path that is too short")
    return current


def check(proof, policy):
    require("\n\n" in proof, "no tlog-proof")
    head, note = proof.split("\n\n", 1)
    lines = head.split("\n")
    require(lines[0] == "c2sp.org/tlog-proof@v1" and lines[1].startswith("extra ") and lines[2].startswith("index "), "no tlog-proof")
    size, root = check_note(note, Policy(policy))
    path = [decode(line) for line in lines[3:]]
    require(all(len(node) == 32 for node in path), "no hash")
    leaf_hash = hashlib.sha256(b"\x00" + decode(lines[1][6:])).digest()
    require(root_of(number(lines[2][6:]), size, leaf_hash, path) == root, "another root")


if __name__ == "__main__":
    for file in sorted(pathlib.Path(sys.argv[1]).glob("*.proof")):
        try:
            check(file.read_bytes().decode(), file.with_suffix(".policy").read_bytes().decode())
            print(f"{file.stem} accepted")
        except (Refused, ValueError, KeyError, IndexError) as problem:
            print(f"{file.stem} refused: {problem}")

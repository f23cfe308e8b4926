"""What the ledger's entries say about training (docs/spec/contracts.md): keys, data sets, agreements, draws, and the words of every attempt. Entries that a contract refused say nothing."""
import cbor
from ledger import Fault, demand, id_of, sha256

SHARES, INPUT, OPENINGS, SILENT, REFERENCE = 1, 2, 3, 4, 5
WEIGHT_ONE = 1 << 20


class Agreement:
    def __init__(self, items, file):
        self.items, self.digest, self.file = items, sha256(cbor.write(items)), file
        (_, self.name, self.spec, self.seed, self.initial, strategy, fixed, _, self.rounds, self.minimum, _, _, self.window, members, self.masks) = items
        self.strategy = [strategy] if isinstance(strategy, str) else strategy
        _, self.clip, self.bound, self.levels, self.most = fixed
        self.members = [tuple(member) for member in members]
        self.names = [name for name, _ in self.members]
        self.corrupt, self.noise = (self.masks[0], self.masks[7]) if self.masks else (0, 0)
        self.projected = bool(self.masks) and self.masks[8] == 2
        self.graph_bound = self.masks[9] if self.masks else None
        self.is_hybrid = bool(self.masks) and self.masks[10] == 2
        self.groups = self.masks[11] if self.masks and len(self.masks) == 12 else None
        self.trusted = self.groups[3] if self.groups and len(self.groups) == 4 else None
        self.policies, self.weights, self.effective, self.draw = [], [], None, None

    def record(self):
        return [self.items, self.policies, self.weights, self.effective, self.draw]

    def activate(self, records):
        """Weights by number of samples, but all alike with noise or in groups (aggregation.md §1, privacy.md §1), and the strictest of each policy."""
        largest = max(records)
        equal = self.noise or self.groups
        self.weights = [WEIGHT_ONE if equal else max(1, (count * WEIGHT_ONE + largest // 2) // largest) for count in records]
        _, least, rounds, epochs, end, masks = zip(*(policy for _, policy in self.policies))
        self.effective = [1, max(least), min(rounds), min(epochs), min(end), any(masks)]


class Draw:
    def __init__(self):
        self.number, self.lots, self.shown = 1, {}, []

    def commit(self, number, key_id, commitment):
        if number > self.number:
            self.number, self.lots, self.shown = number, {}, []
        self.lots[key_id] = [commitment, None]

    def reveal(self, agreement, number, key_id, value, needed):
        spelt = key_id.hex().encode()
        demand(self.lots[key_id][0] == sha256(b"FLv1-lot\0", agreement, number.to_bytes(4, "big"), spelt, b"\0", value), "WrongSecret", "a number of a draw is not the committed one")
        self.lots[key_id][1] = value
        self.shown = [value for _, value in self.lots.values() if value]
        return sha256(b"FLv1-draw\0", agreement, number.to_bytes(4, "big"), *self.shown) if len(self.shown) == needed else None


class Attempt:
    """What was said in an attempt at a round, by position in the agreement."""

    def __init__(self, agreement, number, attempt, base, keys, draws, file):
        self.agreement, self.round, self.number, self.base, self.file = agreement, number, attempt, base, file
        self.draws = draws
        # Keys as they are when the attempt opens (fedmask.md §14).
        self.roster = [name.encode() + b"\0" + sha256(cbor.write(keys[name])) for name in agreement.names]
        self.configuration = sha256(cbor.write(agreement.record()))
        self.adverts, self.shares, self.acks, self.inputs, self.confirms, self.reveals, self.silents = {}, {}, {}, {}, {}, {}, {}
        self.commits, self.holders, self.reference, self.challenges, self.images = {}, {}, None, {}, {}
        # When the updates are deleted: the agreement's challenge window after the attempt was published.
        self.proposals, self.published, self.expires = {}, None, None
        # Who proposed what, and who said of it that it is right or wrong.
        self.words = []

    def where(self):
        return f"{self.agreement.name}, round {self.round}"

    def held(self, kind, least):
        """The positions that so many seats hold."""
        return {position for (what, position), seats in self.holders.items() if what == kind and len(seats) >= least}

    def hold(self, kind, positions, seat):
        for position in positions:
            self.holders.setdefault((kind, position), set()).add(seat)


class State:
    def __init__(self, genesis):
        self.genesis = genesis
        self.keys, self.owned, self.admissions, self.datasets = {}, {}, {}, {}
        self.agreements, self.draws, self.attempts, self.published = {}, {}, {}, []
        for organisation, key, *_ in genesis.seats:
            self.own(organisation, key)

    def own(self, name, key):
        key = tuple(key)
        if id_of(key) not in self.keys:
            self.keys[id_of(key)] = (name, key)
            self.owned.setdefault(name, []).append(key)

    def apply(self, entry):
        call = f"{entry.contract}.{entry.method}"
        try:
            if call in WORDS:
                attempt, position = self.said(entry)
                getattr(attempt, WORDS[call])[position] = entry.arguments[3:]
            elif call in CALLS:
                CALLS[call](self, entry)
        except (KeyError, IndexError, ValueError, TypeError):
            raise Fault("BlockDoesNotExecute", f"{entry.file}: no contract takes the {call} by {entry.actor}")

    def admit(self, entry):
        name, _, _, key = entry.arguments
        digest = sha256(cbor.write(entry.arguments))
        seats = self.admissions.setdefault(digest, set())
        seats.add(entry.key_id)
        if len(seats) >= self.genesis.quorum:
            seats.clear()
            self.own(name, key)

    def revoke(self, entry):
        _, key = self.keys.pop(entry.arguments[0])
        self.owned[entry.actor].remove(key)

    def register(self, entry):
        name, _, records, _ = entry.arguments
        self.datasets[entry.actor, name] = records

    def propose(self, entry):
        agreement = Agreement(entry.arguments[0], entry.file)
        self.agreements[agreement.digest] = agreement

    def accept(self, entry):
        digest, policy = entry.arguments
        agreement = self.agreements[digest]
        agreement.policies.append([entry.actor, policy])
        if len(agreement.policies) == len(agreement.members):
            agreement.activate([self.datasets[member] for member in agreement.members])

    def commit_lot(self, entry):
        self.draws.setdefault(entry.arguments[0], Draw()).commit(entry.arguments[1], entry.key_id, entry.arguments[2])

    def reveal_lot(self, entry):
        digest, number, value = entry.arguments
        drawn = self.draws[digest].reveal(digest, number, entry.key_id, value, self.genesis.faulty + 1)
        # What is drawn for is an agreement, or ctx of an attempt, which takes the numbers as they are.
        if digest in self.agreements:
            self.agreements[digest].draw = self.agreements[digest].draw or drawn

    def seat_of(self, entry):
        return self.genesis.seat_of(entry.actor, entry.key_id)

    def open(self, entry):
        digest, number, base = entry.arguments
        attempts = self.attempts.setdefault((digest, number), [])
        attempts.append(Attempt(self.agreements[digest], number, len(attempts) + 1, base, self.owned, self.draws, entry.file))

    def add_key(self, entry):
        self.own(entry.actor, entry.arguments[0])

    def said(self, entry):
        """The attempt and the speaker's position in it, None for who has none."""
        digest, number, attempt = entry.arguments[:3]
        found = self.attempts[digest, number][attempt - 1]
        names = found.agreement.names
        return found, names.index(entry.actor) if entry.actor in names else None

    def refer(self, entry):
        attempt, _ = self.said(entry)
        attempt.reference = entry.arguments[3]

    def hold_masked(self, entry):
        attempt, _ = self.said(entry)
        bits = int.from_bytes(entry.arguments[4], "big")
        attempt.hold(entry.arguments[3], [position for position in range(bits.bit_length()) if bits >> position & 1], self.seat_of(entry))

    def hold(self, entry):
        attempt, _ = self.said(entry)
        attempt.hold(0, entry.arguments[3], self.seat_of(entry))

    def propose_aggregate(self, entry):
        attempt, _ = self.said(entry)
        digest = sha256(b"FLv1-proposal\0", *entry.arguments[3:])
        attempt.proposals.setdefault(digest, (entry.arguments[3:], {}))
        attempt.words.append((entry.actor, digest, None))

    def attest(self, entry):
        attempt, _ = self.said(entry)
        digest, good, work = entry.arguments[3:]
        proposal, verdicts = attempt.proposals[digest]
        attempt.words.append((entry.actor, digest, good))
        if not good:
            return
        verdicts[self.seat_of(entry)] = (entry.actor, work)
        if len(verdicts) == self.genesis.quorum:
            attempt.published, attempt.file = (digest, proposal, list(verdicts.values())), entry.file
            attempt.expires = entry.time + attempt.agreement.window
            self.published.append(attempt)


    def challenge(self, entry):
        attempt, _ = self.said(entry)
        proposal, value = entry.arguments[3:]
        attempt.challenges.setdefault(proposal, []).append(value)

    def project(self, entry):
        attempt, _ = self.said(entry)
        proposal, images = entry.arguments[3:]
        for position, image in images:
            attempt.images.setdefault((proposal, position), []).append((entry.actor, image))


# What a participant says once in an attempt, and where it is kept: the arguments behind agreement, round and attempt.
WORDS = {
    "round.InputCommit": "commits", "round.KeyAdvert": "adverts", "round.ShareCommit": "shares", "round.ShareAck": "acks", "round.MaskedInput": "inputs",
    "round.Confirm": "confirms", "round.Reveal": "reveals", "round.RevealSilent": "silents",
}
CALLS = {
    "federation.Admit": State.admit, "federation.AddKey": State.add_key, "federation.RevokeKey": State.revoke, "dataset.Register": State.register,
    "agreement.Propose": State.propose, "agreement.Accept": State.accept, "draw.Commit": State.commit_lot, "draw.Reveal": State.reveal_lot,
    "round.Open": State.open, "round.Reference": State.refer, "round.HeldMasked": State.hold_masked, "round.Held": State.hold,
    "round.AggregateProposal": State.propose_aggregate, "round.Attest": State.attest, "round.Challenge": State.challenge, "round.Project": State.project,
}

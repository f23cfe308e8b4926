"""Verifies an exported run from docs/spec alone, with Python's cryptography and numpy and nothing of ours.

    verify.py EXPORT --trust POLICY

The trust policy (C2SP tlog-policy) comes from elsewhere than the export. Every block's hashes, signatures and finalization are checked, every transaction's result by its receipt under the policy; then each published round is
computed again from what participants said on the ledger: contexts, graphs, who is in the order to unmask, the secrets that were revealed, all masks, the sum, and the model step. Prints a line for each round, and ends with 1
and the name of what is wrong (docs/spec/errors.md). What a contract decided is taken from the leaf that a quorum has cosigned; exports that span a change of validators are refused (LaterEra).
"""
import argparse
import pathlib
import sys
import time

import numpy

import cbor
import masks
import models
import robust
from projections import Projection
from contracts import REFERENCE, WEIGHT_ONE, State
from ledger import Export, Fault, Ledger, demand, root_of, sha256


class Round:
    """One published round: from the ledger's words to sum and model."""

    def __init__(self, attempt, genesis, export, now):
        # What is older than its challenge window has no updates any more: all that is left of them is what was published as their sum.
        self.is_expired = attempt.expires <= now
        self.attempt, self.agreement, self.genesis, self.export = attempt, attempt.agreement, genesis, export
        # What attesters show that they computed, where that is not the sum; and lies that changed nothing.
        self.work, self.warnings = None, []

    def require(self, condition, name, what):
        demand(condition, name, f"{self.attempt.file}: {what} ({self.attempt.where()})")

    def compute(self, model):
        """Digest of the inputs, the bytes of the sum, the next model, and a few words about it."""
        if not self.agreement.masks:
            return self.plain(model)
        layout = masks.Layout(self.agreement.most, self.agreement.levels, models.update_length(self.agreement, model.spec))
        groups = [masks.Group(self.attempt, members, number, self.genesis, layout) for number, members in enumerate(self.divide())]
        for group in groups:
            group.fix()
        standing = [group for group in groups if not group.failure]
        if not self.agreement.groups:
            self.require(standing, groups[0].failure, "an attempt that had failed was published")
            return self.whole(model, standing[0])
        return self.grouped(model, groups, standing)

    def divide(self):
        """Who is in which group (contracts.md, the draw)."""
        everybody = [position for position in range(len(self.agreement.members)) if position != self.agreement.trusted]
        if not self.agreement.groups:
            return [everybody]
        order = masks.shuffle(len(everybody), self.agreement.draw)
        count, start, pieces = self.agreement.groups[0], 0, []
        for number in range(count):
            size = len(everybody) // count + (number < len(everybody) % count)
            pieces.append([everybody[place] for place in order[start:start + size]])
            start += size
        return pieces

    def whole(self, model, group):
        lanes, tail = self.sums([group])[group]()
        following = models.step_of_sum(self.agreement, model, lanes, group.weight)
        if self.agreement.projected and not self.is_expired:
            self.look_at_images(group)
            self.work = group.masked_by
        return group.inputs(), lanes.tobytes() + tail, following, told(group)

    def sums(self, groups):
        """How lanes and tail of each group are had: from its masked updates, or from what was published."""
        if not self.is_expired:
            return {group: lambda group=group: group.sum(self.export.blob) for group in groups}
        content = self.published_sum()
        if self.agreement.groups:
            named = int.from_bytes(content[:8], "little")
            content, groups = content[8:], [group for group in groups if named >> group.number & 1]
            self.require(named.bit_count() == len(groups), "ModelDiffers", "the sum is of a group that had failed")
        length = 4 * models.update_length(self.agreement, models.Spec(self.agreement.spec))
        self.require(len(content) == len(groups) * (length + 64), "ModelDiffers", "what was published as the sum has another length")
        parts = [content[at:at + length + 64] for at in range(0, len(content), length + 64)]
        return {group: lambda group=group, part=part: group.admit(numpy.frombuffer(part[:length], "<i4").astype(numpy.int64), part[length:]) for group, part in zip(groups, parts)}

    def published_sum(self):
        return self.export.blob(self.attempt.published[1][1])

    def look_at_images(self, group):
        """What seats said about the images of updates (projection.md): who told another one lied."""
        proposal = self.attempt.published[0]
        values = self.attempt.challenges[proposal]
        projection = Projection(group.layout, sha256(b"FLv1-challenge\0", proposal, *values))
        for i in sorted(group.survivors):
            image = projection.image(self.export.blob(self.attempt.inputs[i][1]))
            told = self.attempt.images.get((proposal, i), [])
            self.require(sum(said == image for _, said in told) > self.genesis.faulty, "WorkNotDone", f"too few seats told the image of {self.agreement.names[i]}'s update")
            self.warnings += [f"{actor} told an image of {self.agreement.names[i]}'s update in round {self.attempt.round} that it does not have" for actor, said in told if said != image]

    def grouped(self, model, groups, standing):
        sums, said, last = {}, [], None
        readers = self.sums(standing)
        reference = self.reference(model.spec.length) if self.agreement.trusted is not None else None
        for group in groups:
            try:
                self.require(not group.failure, group.failure, f"group {group.number} had failed")
                self.require(group in readers, "CanaryMismatch", f"the seats left group {group.number} out")
                sums[group] = readers[group]()
                said.append(f"group {group.number}: {told(group)}")
            except Fault as fault:
                # A sum that is spoilt is left out like a group that failed; a blob that is not here is no verdict.
                if fault.name in ("MissingBlob", "BadBlob"):
                    raise
                last = fault
                said.append(f"group {group.number} left out: {fault.name}")
        if len(sums) < self.agreement.groups[1]:
            raise last
        name, constants = models.rule_of(self.agreement)
        if name == "clipping":
            reference = model.vectors[-1].astype(numpy.int64)
        denominator, numerators = robust.apply(name, constants, [lanes for lanes, _ in sums.values()], [len(group.survivors) for group in sums], reference)
        carried = models.rounded(numerators, denominator) if name == "clipping" else None
        following = models.step(self.agreement, model, models.mean_of_rule(self.agreement, numerators, denominator), carried)
        content = sum(1 << group.number for group in sums).to_bytes(8, "little") + b"".join(lanes.tobytes() + tail for lanes, tail in sums.values())
        named = b"".join(group.number.to_bytes(2, "big") + group.inputs() for group in standing)
        return sha256(b"FLv1-groups\0", named, self.attempt.reference or b""), content, following, f"{name} of {len(sums)} groups; " + "; ".join(said)

    def reference(self, length):
        held = self.agreement.trusted in self.attempt.held(REFERENCE, self.genesis.quorum)
        self.require(held, "ReferenceMissing", "no quorum holds the trusted participant's update")
        return self.admissible(self.export.blob(self.attempt.reference), length, WEIGHT_ONE).astype(numpy.int64)

    def admissible(self, content, length, weight):
        """Lanes that may enter a sum as they are (aggregation.md §3)."""
        self.require(len(content) == 4 * length, "WrongLength", "an update has another length")
        lanes, agreement = numpy.frombuffer(content, "<i4"), self.agreement
        square = robust.norm2(lanes.astype(numpy.int64))
        norm = numpy.sqrt((float(square >> 64) * 2.0 ** 32 + float(square >> 32 & 0xFFFFFFFF)) * 2.0 ** 32 + float(square & 0xFFFFFFFF))
        most = agreement.clip * 2.0 ** -32 * (weight * 2.0 ** -20) / (agreement.bound * 2.0 ** -32 / agreement.levels) * (1 + 2.0 ** -20) + numpy.sqrt(float(length))
        self.require(numpy.abs(lanes.astype(numpy.int64)).max() <= agreement.levels and norm <= most, "ModelDiffers", "an update may not be added")
        return lanes

    def plain(self, model):
        """Without masks: the updates that a quorum holds, added up."""
        held = sorted(self.attempt.held(0, self.genesis.quorum) & self.attempt.commits.keys())
        weight = sum(self.agreement.weights[position] for position in held)
        length = models.update_length(self.agreement, model.spec)
        named = [[position, self.attempt.commits[position][1]] for position in held]
        if self.is_expired:
            content = self.published_sum()
            self.require(len(content) == 4 * length, "ModelDiffers", "what was published as the sum has another length")
            total = numpy.frombuffer(content, "<i4").astype(numpy.int64)
            self.require(numpy.abs(total).max() <= len(held) * self.agreement.levels, "ModelDiffers", "a lane of the sum is beyond what updates give")
        else:
            total = sum(self.admissible(self.export.blob(root), length, self.agreement.weights[position]).astype(numpy.int64) for position, root in named)
        following = models.step_of_sum(self.agreement, model, total, weight)
        inputs = sha256(b"FLv1-inputs\0", cbor.write([self.agreement.digest, self.attempt.round, self.attempt.number, self.attempt.base, named]))
        return inputs, total.astype("<i4").tobytes(), following, f"{len(held)} updates without masks"

    def check(self, model):
        """Everything again, and compared with what was published; gives the next model, and what to say about the round."""
        self.require(model.digest == self.attempt.base, "WrongBaseModel", "the round begins from another model")
        inputs, content, following, words = self.compute(model)
        _, (named, sum_root, digest, root), verdicts = self.attempt.published
        self.require(named == inputs, "WrongInputs", "the proposal names other inputs")
        self.require(root_of(content) == sum_root, "ModelDiffers", "the updates give another sum")
        self.require(following is not None and following.digest == digest and root_of(following.content) == root, "ModelDiffers", "the sum gives another model")
        self.export.blob(sum_root)
        self.export.blob(root)
        done = [actor for actor, work in verdicts if work == sha256(b"FLv1-work\0", actor.encode(), b"\0", self.work or content)]
        if not self.is_expired:
            self.look_at_words(root_of(content), following)
        # Where the work was to take off masks, nobody can know any more which.
        self.require(self.is_expired and self.agreement.projected or len(done) >= self.genesis.quorum - self.genesis.faulty, "WorkNotDone", "too few of those who attested had the sum")
        return following, f"round {self.attempt.round} of {self.agreement.digest.hex()[:16]}: {words}{', by its sum alone' if self.is_expired else ''}; model {digest.hex()[:16]} as on the ledger" + "".join(f"; {warning}" for warning in self.warnings)

    def look_at_words(self, sum_root, model):
        """What was proposed, and said of proposals, that the updates do not bear out."""
        right = [sum_root, model.digest, root_of(model.content)]
        for actor, digest, good in self.attempt.words:
            is_right = self.attempt.proposals[digest][0][1:] == right
            if good is None and not is_right:
                self.warnings.append(f"{actor} proposed in round {self.attempt.round} a sum or a model that the updates do not give")
            elif good is not None and good != is_right:
                self.warnings.append(f"{actor} said of a proposal in round {self.attempt.round} what is not so")


def told(group):
    return f"{len(group.survivors)} of {len(group.members)} in the sum, {len(group.dropped)} dropped out, {len(group.silent)} silent"


def verify(folder, policy, say):
    """Says a line for each round, and returns the last one."""
    export = Export(folder)
    ledger = Ledger(export, policy)
    state, entries = State(ledger.genesis), 0
    for block in ledger.blocks(lambda: dict(state.keys)):
        for entry in block:
            entries += 1
            if entry.result == 0:
                state.apply(entry)
    current = {}
    for attempt in state.published:
        agreement = attempt.agreement
        if agreement.digest not in current:
            current[agreement.digest] = models.Model.first(agreement)
            demand(current[agreement.digest].digest == agreement.initial, "InitialModelDiffers", f"{agreement.file}: {agreement.name}")
        try:
            newest, line = Round(attempt, ledger.genesis, export, ledger.time).check(current[agreement.digest])
        except (KeyError, IndexError, ValueError, TypeError) as why:
            raise Fault("ModelDiffers", f"{attempt.file}: what {attempt.where()} follows from is not on the ledger: {why!r}")
        current[agreement.digest] = newest
        say(line)
    if state.published:
        newest.check_file(export.read("model.safetensors"))
    export.finish(ledger.genesis.seats)
    expired = sum(attempt.expires <= ledger.time for attempt in state.published)
    return f"{entries} transactions with good signatures, {ledger.receipts} receipts, {len(state.published) - expired} rounds computed again" + (f", {expired} past their challenge window by their sums alone" if expired else "")


def main():
    parser = argparse.ArgumentParser(description="Verifies an exported run.")
    parser.add_argument("export")
    parser.add_argument("--trust", required=True, help="the trust policy, a C2SP tlog-policy from elsewhere")
    arguments = parser.parse_args()
    start = time.perf_counter()
    try:
        print(verify(arguments.export, pathlib.Path(arguments.trust).read_text(), lambda line: print(line, flush=True)))
        print(f"VERIFIED in {time.perf_counter() - start:.1f} s")
    except Fault as fault:
        print(f"NOT VERIFIED\n  {fault}")
        sys.exit(1)


if __name__ == "__main__":
    main()

"""Robust means after docs/spec/robust.md, with numpy and Python's own integers and nothing of ours.

    robust.py FOLDER

Each NAME.case has the rule and its constants in the first line, the reference's lanes or "-" in the second, then a line for each group: its members, then its sum's lanes.
Prints "NAME DENOMINATOR NUMERATOR …" for each.
"""
import math
import pathlib
import sys

import numpy

Q = 27720
LIMB = 24


def ceil_root(x):
    return 0 if x == 0 else math.isqrt(x - 1) + 1


def limbs(x):
    """x = high · 2²⁴ + low: products of limbs stay in 64 bits."""
    return x >> LIMB, x & (1 << LIMB) - 1


def total(products):
    """The sum of products below 2⁴⁹: in parts that fit into 64 bits."""
    return sum(map(int, numpy.add.reduceat(products, range(0, len(products), 8192)))) if len(products) else 0


def dot(x, y):
    (high, low), (high2, low2) = limbs(x), limbs(y)
    return (total(high * high2) << 2 * LIMB) + (total(high * low2) + total(low * high2) << LIMB) + total(low * low2)


def norm2(x):
    return dot(x, x)


def trimmed(m, trim):
    n = len(m)
    return Q * (n - 2 * trim), numpy.sort(m, axis=0)[trim:n - trim].sum(axis=0)


def median(m):
    return trimmed(m, (len(m) - 1) // 2)


def distances(m):
    return [[norm2(a - b) for b in m] for a in m]


def krum_score(apart, among, a, neighbours):
    return sum(sorted(apart[a][b] for b in among if b != a)[:neighbours])


def krum(m, f, kept):
    everyone, apart = range(len(m)), distances(m)
    ranked = sorted(everyone, key=lambda a: (krum_score(apart, everyone, a, len(m) - f - 2), a))
    return Q * kept, m[ranked[:kept]].sum(axis=0)


def bulyan(m, f):
    rest, chosen, apart = list(range(len(m))), [], distances(m)
    while len(chosen) < len(m) - 2 * f:
        best = min(rest, key=lambda a: (krum_score(apart, rest, a, max(1, len(rest) - f - 2)), a))
        chosen.append(best)
        rest.remove(best)
    kept, columns = len(m) - 4 * f, numpy.sort(m[chosen], axis=0)
    twice = columns[(len(chosen) - 1) // 2] + columns[len(chosen) // 2]
    nearest = numpy.lexsort((columns, abs(2 * columns - twice)), axis=0)[:kept]
    return Q * kept, numpy.take_along_axis(columns, nearest, axis=0).sum(axis=0)


def clipping(m, radius, iterations, reference):
    v = Q * reference
    for _ in range(iterations):
        high, low = numpy.zeros(len(v), numpy.int64), numpy.full(len(v), len(m) << 31)
        for group in m:
            length = ceil_root(norm2(group - v))
            factor = 1 << 32 if length <= radius * Q else (radius * Q << 32) // length
            parts = limbs(group - v)
            high, low = high + factor * parts[0], low + factor * parts[1]
        # ⌊(high · 2²⁴ + low) ÷ (G · 2³²)⌋
        v = v + (high + (low >> LIMB)) // (len(m) << 32 - LIMB)
    return Q, v


def fltrust(m, reference):
    root = Q * reference
    length = ceil_root(norm2(root))
    lengths, trusts = [ceil_root(norm2(group)) for group in m], []
    for group, own in zip(m, lengths):
        product = dot(group, root)
        trusts.append((product << 32) // (own * length) if product > 0 else 0)
    weights = [(t * length << 64) // (own * sum(trusts)) if t else 0 for t, own in zip(trusts, lengths)]
    # Weights have any length, so these are Python's integers.
    moved = sum((group.astype(object) * c for group, c in zip(m, weights)), numpy.full(len(root), 1 << 63, object))
    return Q, moved >> 64


RULES = {"median": median, "trimmed": trimmed, "krum": krum, "bulyan": bulyan, "clipping": clipping, "fltrust": fltrust}


def apply(name, constants, sums, members, reference=None):
    """Denominator and numerators of a rule's mean; the reference only where the rule has one."""
    assert all(Q % count == 0 for count in members)
    means = numpy.array([numpy.asarray(lanes, numpy.int64) * (Q // count) for lanes, count in zip(sums, members)])
    return RULES[name](means, *constants, *([] if reference is None else [reference]))


if __name__ == "__main__":
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.case")):
        rule, reference, *groups = path.read_text().splitlines()
        name, *constants = rule.split()
        rows = [[int(number) for number in group.split()] for group in groups]
        lanes = None if reference == "-" else numpy.array([int(lane) for lane in reference.split()], numpy.int64)
        denominator, numerators = apply(name, map(int, constants), [row[1:] for row in rows], [row[0] for row in rows], lanes)
        print(path.stem, denominator, *numerators)

"""Robust means after docs/spec/robust.md, with Python's own integers and fractions and nothing of ours.

    robust.py FOLDER

Each NAME.case has the rule and its constants in the first line, the reference's lanes or "-" in the second, then a line for each group: its members, then its sum's lanes.
Prints "NAME DENOMINATOR NUMERATOR …" for each.
"""
import fractions
import math
import pathlib
import sys

Q = 27720


def ceil_root(x):
    return 0 if x == 0 else math.isqrt(x - 1) + 1


def norm2(x):
    return sum(v * v for v in x)


def minus(x, y):
    return [p - q for p, q in zip(x, y)]


def mean_of(columns):
    return [sum(column) for column in zip(*columns)]


def trimmed(m, trim):
    n = len(m)
    return Q * (n - 2 * trim), [sum(sorted(column)[trim:n - trim]) for column in zip(*m)]


def median(m):
    return trimmed(m, (len(m) - 1) // 2)


def krum_score(m, among, a, neighbours):
    return sum(sorted(norm2(minus(m[a], m[b])) for b in among if b != a)[:neighbours])


def krum(m, f, kept):
    everyone = range(len(m))
    ranked = sorted(everyone, key=lambda a: (krum_score(m, everyone, a, len(m) - f - 2), a))
    return Q * kept, mean_of([m[a] for a in ranked[:kept]])


def bulyan(m, f):
    rest, chosen = list(range(len(m))), []
    while len(chosen) < len(m) - 2 * f:
        best = min(rest, key=lambda a: (krum_score(m, rest, a, max(1, len(rest) - f - 2)), a))
        chosen.append(best)
        rest.remove(best)
    kept, lanes = len(m) - 4 * f, []
    for column in zip(*(m[a] for a in chosen)):
        column = sorted(column)
        middle = fractions.Fraction(column[(len(column) - 1) // 2] + column[len(column) // 2], 2)
        lanes.append(sum(sorted(column, key=lambda v: (abs(v - middle), v))[:kept]))
    return Q * kept, lanes


def clipping(m, radius, iterations, reference):
    v = [Q * r for r in reference]
    for _ in range(iterations):
        factors = []
        for group in m:
            length = ceil_root(norm2(minus(group, v)))
            factors.append(1 << 32 if length <= radius * Q else (radius * Q << 32) // length)
        moves = [sum(c * (group[i] - v[i]) for c, group in zip(factors, m)) for i in range(len(v))]
        scale = len(m) << 32
        v = [x + math.floor(fractions.Fraction(move, scale) + fractions.Fraction(1, 2)) for x, move in zip(v, moves)]
    return Q, v


def fltrust(m, reference):
    root = [Q * r for r in reference]
    length = ceil_root(norm2(root))
    lengths, trusts = [ceil_root(norm2(group)) for group in m], []
    for group, own in zip(m, lengths):
        product = sum(p * q for p, q in zip(group, root))
        trusts.append((product << 32) // (own * length) if product > 0 else 0)
    weights = [(t * length << 64) // (own * sum(trusts)) if t else 0 for t, own in zip(trusts, lengths)]
    return Q, [math.floor(fractions.Fraction(sum(c * group[i] for c, group in zip(weights, m)), 1 << 64) + fractions.Fraction(1, 2)) for i in range(len(root))]


RULES = {"median": median, "trimmed": trimmed, "krum": krum, "bulyan": bulyan, "clipping": clipping, "fltrust": fltrust}

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.case")):
    rule, reference, *groups = path.read_text().splitlines()
    name, *constants = rule.split()
    arguments = [int(constant) for constant in constants] + ([] if reference == "-" else [[int(lane) for lane in reference.split()]])
    rows = [[int(number) for number in group.split()] for group in groups]
    assert all(Q % row[0] == 0 for row in rows)
    denominator, numerators = RULES[name]([[lane * (Q // row[0]) for lane in row[1:]] for row in rows], *arguments)
    print(path.stem, denominator, *numerators)

"""Models after docs/spec/model.md, and the step from a sum to the next one after docs/spec/aggregation.md §5: IEEE 754 operations in the order in which the page has them, which numpy does as they are written."""
import json
import math

import numpy

import cbor
from ledger import demand, sha256

MILLION = 1_000_000


class Spec:
    def __init__(self, content):
        _, shape, layers, _ = cbor.read(content)
        self.digest, self.tensors, self.counts = sha256(content), [], {}
        for kind, outputs, size, padding in layers:
            if kind == 0:
                fan_in = math.prod(shape)
                self.add("fc", [outputs, fan_in], fan_in)
                shape = [outputs]
            elif kind == 1:
                fan_in = shape[0] * size * size
                self.add("conv", [outputs, shape[0], size, size], fan_in)
                shape = [outputs, *(side + 2 * padding - size + 1 for side in shape[1:])]
            else:
                shape = [shape[0], *(side // size for side in shape[1:])]
        self.length = sum(math.prod(shape) for _, shape, _ in self.tensors)

    def add(self, kind, shape, fan_in):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        name = f"{kind}{self.counts[kind]}"
        self.tensors += [(f"{name}.weight", shape, fan_in), (f"{name}.bias", shape[:1], fan_in)]

    def initial(self, seed):
        """§4: the parameters that a seed gives."""
        blocks = b"".join(sha256(seed, block.to_bytes(8, "little")) for block in range(-(-self.length // 8)))
        k = (numpy.frombuffer(blocks, "<u4")[:self.length] >> 8).astype(numpy.float64)
        scale = numpy.concatenate([numpy.full(math.prod(shape), 1.0 / math.sqrt(fan_in)) for _, shape, fan_in in self.tensors])
        return ((2.0 * k + 1.0 - 2.0 ** 24) / 2.0 ** 24 * scale).astype("<f4")


class Model:
    """Parameters, then the vectors that the strategy and centred clipping go on from."""

    def __init__(self, spec, vectors):
        self.spec, self.vectors = spec, vectors
        self.content = spec.digest + b"".join(vector.astype("<f4").tobytes() for vector in vectors)
        self.digest = sha256(self.content)

    @staticmethod
    def first(agreement):
        spec = Spec(agreement.spec)
        carried = [0.0] if rule_of(agreement)[0] == "clipping" else []
        return Model(spec, [spec.initial(agreement.seed), *(numpy.full(spec.length, numpy.float32(value)) for value in first_state(agreement) + carried)])

    def check_file(self, content):
        """model.safetensors holds the parameters under PyTorch's names (§3)."""
        parameters = self.vectors[0].astype("<f4").tobytes()
        expected, at = {"__metadata__": {"format": "pt", "model": sha256(self.spec.digest, parameters).hex(), "spec": self.spec.digest.hex()}}, 0
        for name, shape, _ in self.spec.tensors:
            expected[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at := at + 4 * math.prod(shape)]}
        head = json.dumps(expected, separators=(",", ":")).encode()
        head += b" " * (-len(head) % 8)
        demand(content == len(head).to_bytes(8, "little") + head + parameters, "ModelFileDiffers", "model.safetensors")


def first_state(agreement):
    """What a strategy's vectors m and v begin with."""
    name, *constants = agreement.strategy
    if name in ("fedavg", "fedavgm", "scaffold"):
        return [] if name == "fedavg" else [0.0]
    tau = constants[3] / MILLION
    return [0.0, tau * tau]


def rule_of(agreement):
    """Name and constants of the rule for groups; no name without groups."""
    if not agreement.groups:
        return "", []
    rule = agreement.groups[2]
    return (rule, []) if isinstance(rule, str) else (rule[0], rule[1:])


def mean_of_sum(agreement, lanes, weight):
    """Δ from the sum of weighted updates."""
    step = agreement.bound * 2.0 ** -32 / agreement.levels
    return step * lanes.astype(numpy.float64) / (weight * 2.0 ** -20)


def mean_of_rule(agreement, numerators, denominator):
    """Δ from a rule's mean (robust.md §3)."""
    step = agreement.bound * 2.0 ** -32 / agreement.levels
    return step * (numerators.astype(numpy.float64) / float(denominator))


def rounded(numerators, denominator):
    """The nearest integer, halves up, cut at 32 bits, as the nearest binary32."""
    nearest = (2 * numerators.astype(object) + denominator) // (2 * denominator)
    return numpy.clip(nearest, -1 << 31, (1 << 31) - 1).astype(numpy.float64).astype("<f4")


def update_length(agreement, spec):
    """Lanes of an update: of SCAFFOLD those of a control variate stand behind those of the parameters."""
    return spec.length * (2 if agreement.strategy[0] == "scaffold" else 1)


def step_of_sum(agreement, model, lanes, weight):
    """The next model from the sum of weighted updates."""
    if agreement.strategy[0] != "scaffold":
        return step(agreement, model, mean_of_sum(agreement, lanes, weight))
    w, v = (vector.astype(numpy.float64) for vector in model.vectors)
    with numpy.errstate(over="ignore", invalid="ignore"):
        vectors = [w + agreement.strategy[1] / MILLION * mean_of_sum(agreement, lanes[:len(w)], weight), v + mean_of_sum(agreement, lanes[len(w):], sum(agreement.weights))]
        vectors = [vector.astype("<f4") for vector in vectors]
    return Model(model.spec, vectors) if all(numpy.isfinite(vector).all() for vector in vectors) else None


def step(agreement, model, delta, carried=None):
    """The next model from a mean update, every vector rounded to binary32 once; None if a number in it is not finite."""
    name, *constants = agreement.strategy
    eta, beta1, beta2, tau = (constant / MILLION for constant in constants) if constants else (1.0, 0.0, 0.0, 0.0)
    w, *state = (vector.astype(numpy.float64) for vector in model.vectors[:len(model.vectors) - (carried is not None)])
    with numpy.errstate(over="ignore", invalid="ignore"):
        if name == "fedavg":
            vectors = [w + eta * delta]
        elif name == "fedavgm":
            m = narrow(beta1 * state[0] + delta)
            vectors = [w + eta * m, m]
        else:
            m = narrow(beta1 * state[0] + (MILLION - constants[1]) / MILLION * delta)
            v = narrow(second_moment(name, state[1], delta * delta, beta2, (MILLION - constants[2]) / MILLION))
            vectors = [w + eta * m / (numpy.sqrt(v) + tau), m, v]
        vectors = [vector.astype("<f4") for vector in vectors]
    if not all(numpy.isfinite(vector).all() for vector in vectors):
        return None
    return Model(model.spec, vectors if carried is None else [*vectors, carried])


def second_moment(name, v, square, beta2, rest):
    if name == "fedadagrad":
        return v + square
    if name == "fedadam":
        return beta2 * v + rest * square
    return numpy.where(v > square, v - rest * square, numpy.where(v < square, v + rest * square, v))


def narrow(vector):
    """What goes on from m' and v' uses them as they are kept."""
    return vector.astype("<f4").astype(numpy.float64)

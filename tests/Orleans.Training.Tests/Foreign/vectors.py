"""The vectors of docs/spec, computed again: prints "PAGE VALUE" for each; the page must have the value."""
import hashlib
import types

import numpy

import masks
import models
import robust
import xwing
from ledger import root_of


def h(text):
    return hashlib.sha256(text.encode()).digest()


def aggregation():
    for length in (0, 1, 65_536, 65_537, 196_608, 458_752):
        yield root_of(bytes((7 * i + i // 256) % 256 for i in range(length))).hex()
    yield stepped(["fedavg"], [0.1, -2.5, 0.001, 0, 3.5, numpy.frombuffer(bytes.fromhex("e42167be"), "<f4")[0]], [[1, -1_000_000, 2 ** 31 - 1, -(2 ** 31 - 1), 12_345, 115_566_154]])
    for name, beta1, beta2, tau in (("fedavg", 0, 0, 0), ("fedavgm", 900_000, 0, 0), ("fedadagrad", 900_000, 0, 1000), ("fedadam", 900_000, 990_000, 1000), ("fedyogi", 900_000, 990_000, 1000)):
        yield stepped([name, 37_000, beta1, beta2, tau], [0.1, -2.5, 0.001], [[1, -1_000_000, 2 ** 31 - 1], [2 ** 31 - 1, -5, 77]])


    yield stepped(["scaffold", 37_000, 0, 0, 0], [0.1, -2.5, 0.001], [[1, -1_000_000, 2 ** 31 - 1, 2 ** 31 - 1, -5, 77], [2 ** 31 - 1, -5, 77, 1, -1_000_000, 2 ** 31 - 1]], [2_999_999, 1_000_000])


def stepped(strategy, parameters, sums, weights=()):
    agreement = types.SimpleNamespace(strategy=strategy, weights=weights, bound=3 << 32, levels=536_870_911)
    spec = types.SimpleNamespace(digest=b"")
    state = models.first_state(agreement)
    model = models.Model(spec, [numpy.array(parameters, "<f4"), *(numpy.full(len(parameters), numpy.float32(value)) for value in state)])
    for lanes in sums:
        model = models.step_of_sum(agreement, model, numpy.array(lanes), 2_999_999)
    return model.content.hex()


def model():
    spec = models.Spec(bytes.fromhex("8401810a81840001000000"))
    yield spec.digest.hex()
    yield models.Model(spec, [spec.initial(bytes(range(32)))]).digest.hex()


def robust_means():
    sums = [[8, -4], [12, 0], [16, 4], [20, 8], [4000, -4000]]
    reference = numpy.array([3, 1])
    for name, constants, more, known in (("median", [], [], None), ("trimmed", [1], [], None), ("krum", [1, 2], [], None), ("bulyan", [1], [[-8, 12], [4, 16]], None), ("clipping", [2, 3], [], reference), ("fltrust", [], [], reference)):
        denominator, numerators = robust.apply(name, constants, sums + more, [4] * len(sums + more), known)
        yield f"| {denominator:,} | {', '.join(f'{number:,}' for number in numerators).replace('-', '−')} |"


def fedmask():
    ctx1, ctx2 = (bytes.fromhex(text) for text in ("a592bec58150f49e7fb1382caca31157ee7ec1fea8c3d01ed112b749cb6ae0ae", "8cf1c1fc4653f3e4f75a709b67b04b5ba9c3351f09937ba2da8e8563543d07d3"))
    context = h("chain") + h("run") + masks.u64(7) + masks.u64(2) + h("parent") + h("configuration") + h("roster")
    yield masks.digest("fedmask/1/ctx", context).hex()
    yield masks.hkdf(h("shared"), ctx2, masks.label("pair") + masks.u16(1) + masks.u16(3)).hex()
    yield masks.hkdf(h("shared"), ctx2, masks.label("self") + masks.u16(3)).hex()
    yield masks.digest("hb", ctx1, masks.u16(3), h("shared")).hex()
    yield masks.mask_secret(h("shared")).hex()
    yield masks.mask_secret(h("shared"), True).hex()
    key = masks.mask_public(h("two"), True)
    text, shared = xwing.encapsulate(key, masks.hkdf(h("one"), hashlib.sha256(key).digest(), masks.label("coins") + masks.u16(1) + masks.u16(3), 2))
    yield from (hashlib.sha256(key).hexdigest(), hashlib.sha256(text).hexdigest(), masks.hkdf(shared, ctx2, masks.label("pair") + masks.u16(1) + masks.u16(3)).hex())
    yield masks.keystream(bytes(range(32)), 4097 * 16)[-32:].hex()
    yield masks.digest("order", ctx2, masks.u64(4), masks.positions([0, 1, 3, 4]), masks.u64(1), masks.positions([300])).hex()
    yield masks.digest("ls", ctx1, masks.u16(3), masks.u16(1), b"\2" + h("share") + h("salt")[:16]).hex()


for page, values in (("aggregation", aggregation()), ("model", model()), ("robust", robust_means()), ("fedmask", fedmask())):
    for value in values:
        print(page, value)

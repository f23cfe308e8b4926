"""Images of masked updates (docs/spec/projection.md), by matrices."""
import numpy

from ledger import sha256
from masks import TAIL, keystream, label

REPETITIONS, COLUMNS = 128, 1024


class Projection:
    def __init__(self, layout, beacon):
        self.type = numpy.dtype(f"<u{layout.width // 8}")
        self.rows = -(-layout.payload // (COLUMNS * self.type.itemsize))
        self.multipliers = self.matrix("fedmask/1/rows", beacon, (self.rows, REPETITIONS))
        self.columns = self.matrix("fedmask/1/columns", beacon, (REPETITIONS, REPETITIONS * COLUMNS))

    def matrix(self, name, beacon, shape):
        stream = keystream(sha256(label(name), beacon), shape[0] * shape[1] * self.type.itemsize)
        return numpy.frombuffer(stream, self.type).reshape(shape)

    def image(self, content):
        lanes = numpy.zeros(self.rows * COLUMNS, self.type)
        payload = numpy.frombuffer(content[:-4 * TAIL], self.type)
        lanes[:len(payload)] = payload
        staged = self.multipliers.T @ lanes.reshape(self.rows, COLUMNS)
        return (self.columns @ staged.ravel()).astype(self.type).tobytes() + content[-4 * TAIL:]

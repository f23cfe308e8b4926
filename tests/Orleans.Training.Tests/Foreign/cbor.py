"""The encoding of docs/spec/encoding.md, in both directions."""


class Refused(Exception):
    pass


def require(condition, why):
    if not condition:
        raise Refused(why)


class Cbor:
    """Arrays, numbers, byte strings, text and null, each in its one shortest form (RFC 8949 §4.2.1); booleans and the empty map only where they are asked for."""

    def __init__(self, content, also=None):
        self.content, self.at, self.also = content, 0, also or {}

    def take(self, count):
        require(self.at + count <= len(self.content), "cut short")
        self.at += count
        return self.content[self.at - count:self.at]

    def item(self):
        head = self.take(1)[0]
        if head == 0xF6:
            return None
        if head in self.also:
            return self.also[head]
        kind, number = head >> 5, head & 31
        if number >= 24:
            require(number <= 27, "no number")
            width = 1 << number - 24
            number = int.from_bytes(self.take(width), "big")
            require(number >= (24 if width == 1 else 1 << 4 * width), "not the shortest form")
        if kind == 0:
            return number
        if kind == 1:
            return -1 - number
        if kind == 2:
            return self.take(number)
        if kind == 3:
            try:
                return self.take(number).decode()
            except UnicodeDecodeError:
                raise Refused("no text")
        require(kind == 4 and number <= 8192, "another kind of item")
        return [self.item() for _ in range(number)]


def read(content):
    """The one item that these bytes are."""
    reader = Cbor(content, {0xF4: False, 0xF5: True, 0xA0: {}})
    try:
        item = reader.item()
    except RecursionError:
        raise Refused("nested without end")
    require(reader.at == len(content), "bytes behind the item")
    return item


def write(item):
    if item is None or isinstance(item, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[item]
    if isinstance(item, int):
        return head(0, item) if item >= 0 else head(1, -1 - item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    return head(4, len(item)) + b"".join(map(write, item))


def head(kind, number):
    if number < 24:
        return bytes([kind << 5 | number])
    width = next(width for width in (1, 2, 4, 8) if number < 1 << 8 * width)
    return bytes([kind << 5 | 23 + width.bit_length()]) + number.to_bytes(width, "big")

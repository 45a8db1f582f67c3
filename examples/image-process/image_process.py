"""Draws a picture from a seed, blurs it, finds its edges. Integers only and PNG without compression, so that the bytes of
every file follow from the seed alone, whatever the machine and its libraries."""
import json
import os
import struct
import zlib

SEED = int(os.environ.get("SEED", "7"))
SIZE = int(os.environ.get("SIZE", "160"))
OUTPUT = os.environ.get("OUTPUT", "/output")


def numbers(state):
    """xorshift32: the same numbers in every Python."""
    state = state * 2654435761 % 2**32 or 1
    while True:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        yield state


def picture():
    """Discs of grey over a gradient."""
    rows = [[(x + y) * 127 // SIZE for x in range(SIZE)] for y in range(SIZE)]
    random = numbers(SEED)
    for _ in range(12):
        cx, cy, radius, grey = next(random) % SIZE, next(random) % SIZE, 5 + next(random) % (SIZE // 6), next(random) % 256
        for y in range(max(0, cy - radius), min(SIZE, cy + radius)):
            for x in range(max(0, cx - radius), min(SIZE, cx + radius)):
                if (x - cx) ** 2 + (y - cy) ** 2 < radius**2:
                    rows[y][x] = grey
    return rows


def around(rows, x, y):
    """The nine pixels around one; the border is repeated."""
    columns = [min(max(x + dx, 0), SIZE - 1) for dx in (-1, 0, 1)]
    return [rows[min(max(y + dy, 0), SIZE - 1)][column] for dy in (-1, 0, 1) for column in columns]


def blurred(rows):
    return [[sum(around(rows, x, y)) // 9 for x in range(SIZE)] for y in range(SIZE)]


def edges(rows):
    """Sobel, in both directions."""
    def at(x, y):
        a, b, c, d, _, f, g, h, i = around(rows, x, y)
        return min(255, abs(c + 2 * f + i - a - 2 * d - g) + abs(g + 2 * h + i - a - 2 * b - c))
    return [[at(x, y) for x in range(SIZE)] for y in range(SIZE)]


def stored(data):
    """A zlib stream of stored blocks: compressors differ between versions, this cannot."""
    blocks = [data[at:at + 65535] for at in range(0, len(data), 65535)] or [b""]
    last = len(blocks) - 1
    body = b"".join(struct.pack("<BHH", at == last, len(block), len(block) ^ 0xFFFF) + block for at, block in enumerate(blocks))
    return b"\x78\x01" + body + struct.pack(">I", zlib.adler32(data))


def png(rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 0, 0, 0, 0)
    pixels = b"".join(b"\0" + bytes(row) for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", stored(pixels)) + chunk(b"IEND", b"")


def main():
    original = picture()
    soft = blurred(original)
    found = edges(soft)
    for name, rows in (("original", original), ("blurred", soft), ("edges", found)):
        with open(os.path.join(OUTPUT, f"{name}.png"), "wb") as file:
            file.write(png(rows))
    flat = [pixel for row in found for pixel in row]
    facts = {"seed": SEED, "size": SIZE, "edge_pixels": sum(pixel > 64 for pixel in flat), "brightest": max(flat)}
    with open(os.path.join(OUTPUT, "facts.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(facts, sort_keys=True) + "\n")


main()

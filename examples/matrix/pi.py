"""Estimates pi from points of a generator of its own, so that a seed gives the same count everywhere."""
import json
import os

seed = int(os.environ["SEED"])
points = int(os.environ.get("POINTS", "100000"))
state, inside = seed, 0
for _ in range(points):
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    x, y = state >> 48, state >> 32 & 0xFFFF
    inside += x * x + y * y < 2**32
print(json.dumps({f"seed {seed}": {"points": points, "inside": inside, "pi": f"{4 * inside / points:.5f}"}}))

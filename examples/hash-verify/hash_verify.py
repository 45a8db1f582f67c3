"""A chain of SHA-256 over a seed: every round hashes the digest of the one before. The same on every machine."""
import hashlib
import os

seed = os.environ.get("SEED", "muster")
rounds = int(os.environ.get("ROUNDS", "200000"))

digest = hashlib.sha256(seed.encode()).digest()
for _ in range(rounds):
    digest = hashlib.sha256(digest).digest()
print(f"{seed} {rounds} {digest.hex()}")

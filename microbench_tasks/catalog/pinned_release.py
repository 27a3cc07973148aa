"""State where the Micro-Bench release is on the Hugging Face Hub, pinned, and the hashes of its files."""

HUB_ID = "jnirschl/uBench"
HUB_CONFIG = "perception"
HUB_REVISION = "3f2c5b590bc7a208d5b60f3527ce4c76a331aa2b"

# SHA-256 of the release's Arrow shards, in order.
RELEASE_SHARDS = (
    "3d346134e6dffed41f74da64c1c173f5efd3a10200805796a030357297b630f1",
    "790591636ae679afa1161664d207c2bb2e3d583690d03967e38364ba0f31ccac",
    "c370cd84e6ed9b00483ef3d20f5c06d5ff2264733ea87f2df98cf9a22820bf74",
    "832cdd6f73a132028584b4e47ec1afe643e0490dd8ec9686eabbb9de3eb7f814",
    "e2741415cef1327ba243f21000ac43aab2d36b61a9c2c862a1d0e21f200f4a69",
    "89deae84ed2dab1bb1fc40be0aefe81b8d94590cec548d1950ff5ff853143d34",
    "534beca2084a250d4436340c78accc9fe7cc2d6063d4884302e7e7f141edad6c",
)

# The shards' paths in the repository, and their total size.
RELEASE_FILES = tuple(f"{HUB_CONFIG}/0.1.0/ubench-test-{number:05d}-of-00007.arrow" for number in range(7))
RELEASE_SIZE = "3.57 GB"

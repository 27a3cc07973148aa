"""State the seed and the version of the demo set."""

DEMO_SEED = 20240701
# Goes up whenever a drawing or a question changes.
DEMO_VERSION = "1.0"

"""Share what all models need: lmms-eval's model API, reading images, keeping embeddings, provenance; a random model."""

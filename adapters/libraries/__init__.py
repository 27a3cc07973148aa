"""Load and run models from checkpoints: an adapter for each library or family, contrastive and generative."""

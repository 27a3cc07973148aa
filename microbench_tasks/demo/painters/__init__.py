"""Draw each kind of micrograph: ``paint(rng, label, shape) -> Picture``, ``shape`` in pixels (height, width)."""

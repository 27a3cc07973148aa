"""What every model needs: arguments, requests, devices, embeddings, provenance."""

"""Guard the calls of a model: text as answers, and a mark on each request that failed."""

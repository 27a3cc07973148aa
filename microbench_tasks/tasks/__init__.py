"""Define what the tasks' YAML names: prompts, scoring of responses, and aggregation of scores."""

"""The part of a response that is scored: without prompt, reasoning and chat tokens."""

"""Read model responses: find the part that is the answer, and the option or boxes that it states."""

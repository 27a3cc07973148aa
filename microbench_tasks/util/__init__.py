"""Provide errors, atomic files, safe reading of untrusted files, privacy and safe text. Imports no other room."""

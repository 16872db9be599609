"""Prompts as vectors without any download: hashed character n-grams and radiology synonyms."""

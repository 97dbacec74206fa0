"""Matching: the item of a catalogue that a title means, and the films of a person's own file as items."""

"""Which item of a catalogue a title means, and whose films a person's own file lists."""

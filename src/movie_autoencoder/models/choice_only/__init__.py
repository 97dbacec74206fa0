"""The model of data without ratings: it knows who chose what, and refuses to predict a rating."""

"""The default model: the dual autoencoder and Bayesian matrix factorization, with a neighbour correction."""

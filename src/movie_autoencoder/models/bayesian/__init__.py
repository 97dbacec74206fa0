"""Bayesian matrix factorization with implicit feedback, drawn by Gibbs sampling."""

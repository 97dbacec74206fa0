"""The classic autoencoder: one row in, the whole row out (AutoRec, DeepRec)."""

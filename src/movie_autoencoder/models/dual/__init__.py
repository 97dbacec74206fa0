"""The dual autoencoder: two encoders, of a user's row and of an item's column, and a bilinear decoder."""

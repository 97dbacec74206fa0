"""The rating autoencoder inside other libraries' experiments. Each module needs its library; nothing else does."""

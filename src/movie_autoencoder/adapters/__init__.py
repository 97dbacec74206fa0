"""The rating autoencoder as a model of other libraries, for their experiments. Each module needs its library."""

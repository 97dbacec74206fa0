"""The autoencoders: what every model offers (``contract``), tensors of observed cells, and the two models."""

"""The models: what every model offers (`base`), one folder a family, and the registry that finds them."""

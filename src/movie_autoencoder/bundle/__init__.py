"""The bundle: the folder that using a trained model needs; its model card; adding items to it."""

from .bundle import FORMAT_VERSION, Bundle, BundleError, load_bundle, read_manifest, save_bundle

__all__ = ["FORMAT_VERSION", "Bundle", "BundleError", "load_bundle", "read_manifest", "save_bundle"]

"""Ratings and what is known of their items: reading, matching, splitting. Imports only `config` and `storage`."""

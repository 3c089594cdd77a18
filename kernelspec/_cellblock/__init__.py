"""__init__.py - what cellblock adds to ipykernel inside a jail: channels, streams, hints."""

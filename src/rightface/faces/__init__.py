"""From pixels to faces and templates. Never knows law, storage or HTTP.

The front door: `image.decode`, `engine.Engine`, `packs.load_pack`, and the values in `face`.
"""

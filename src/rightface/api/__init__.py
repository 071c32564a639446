"""The wires: what other programs' words become when they reach the service, and back.

Knows wire formats and the service's front door; never storage, pixels, or policy text.
"""

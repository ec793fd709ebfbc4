"""All Python Enhancement Proposals as entities: loaded, asked, edited.

Run it with ``python -m examples.peps``; ``--backend http`` speaks HTTP to a local Forge.
"""

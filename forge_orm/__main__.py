"""``python -m forge_orm``: the `forge-orm` command."""

from .cli import main

if __name__ == "__main__":
    main()

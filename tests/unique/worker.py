"""One process that fights over values for ever: python -m tests.unique.worker FILE NUMBER."""

from __future__ import annotations

import random
import sys

from forge_orm import Conflict, Forge, LocalBackend, Session

from .models import User, registry


def step(session: Session, number: int, chance: random.Random) -> None:
    """Do one of the things that can be done to a value."""
    email = chance.choice(["x", "y"])
    mine = session.get(User, f"user:{number}")
    if mine is None:
        session.add(User(id=number, email=email))
    elif (what := chance.randrange(4)) == 0:
        session.delete(mine)
    elif what == 1:
        mine.email = None
    else:
        mine.email = email


def main(path: str, number: int) -> None:
    chance = random.Random(number)
    with Forge(LocalBackend(path, schemas=registry)) as forge:
        print("at work", flush=True)
        while True:
            try:
                with forge.session() as session:
                    step(session, number, chance)
            except Conflict:
                continue


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

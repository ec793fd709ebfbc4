"""Secrets at rest: encrypted in a file, plain in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError

_log: Final = logging.getLogger("forge_orm.local")

KEY_VARIABLE: Final = "FORGE_ORM_SECRET_KEY"


class Vault:
    """Turns secrets into what is written to disk, and back."""

    def __init__(
        self, encrypt: Callable[[bytes], bytes], decrypt: Callable[[bytes], bytes]
    ) -> None:
        """Use these two functions."""
        self.encrypt, self.decrypt = encrypt, decrypt


def _unchanged(value: bytes) -> bytes:
    return value


IN_MEMORY: Final = Vault(_unchanged, _unchanged)
"""Nothing is at rest in memory."""


def open_vault(database: str, given: bytes | str | None) -> Vault:
    """Open the vault of a file store.

    The key is *given*, else the variable ``FORGE_ORM_SECRET_KEY``, else the file
    ``DATABASE.key``, made at first use and readable by its owner only.

    Raises:
        ConfigurationError: the extra ``local`` is missing, or the key is no Fernet key.
    """
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError:
        raise ConfigurationError(
            f"{database}: secrets in a file are encrypted, which needs cryptography: "
            "pip install 'forge-orm[local]'. A store in memory needs nothing"
        ) from None
    key = (
        given
        or os.environ.get(KEY_VARIABLE)
        or _key_file(Path(f"{database}.key"), Fernet.generate_key)
    )
    try:
        fernet = Fernet(key)
    except ValueError:
        raise ConfigurationError(
            f"{database}: the secret key is not 32 bytes in URL-safe base64; "
            "make one with cryptography.fernet.Fernet.generate_key()"
        ) from None

    def decrypt(value: bytes) -> bytes:
        try:
            return fernet.decrypt(value)
        except InvalidToken:
            raise ConfigurationError(
                f"{database}: a secret was encrypted with another key. Give the key it was "
                f"written with (secret_key=, {KEY_VARIABLE} or {database}.key)"
            ) from None

    return Vault(fernet.encrypt, decrypt)


def _key_file(path: Path, generate: Callable[[], bytes]) -> bytes:
    """Return the key in *path*, writing one if there is none; safe between processes."""
    if path.exists():
        return path.read_bytes()
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(generate())
    try:
        os.link(fresh, path)  # fails where another process was first
        _log.info("made %s: without it, the secrets of this store cannot be read", path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()

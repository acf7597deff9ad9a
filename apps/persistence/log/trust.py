"""This module is what a process was told outside the store: the key of the installation's log, and its witness.

Whoever rules the server can publish keys of their own there, and sign another history with them. Only what was handed over by another way,
in the environment of a process or by hand, says which key is the log's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import InvalidInput
from ..store import Connection
from .keys import KeyKind, VerifierKey
from .published import LogKeys, read_keys
from .witness_client import WitnessClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`log_key` is one of the keys of the log, best its newest; None where nobody said any. `witness` likewise."""

    log_key: VerifierKey | None = None
    witness: WitnessClient | None = None

    @classmethod
    def parse(cls, *, log_key: str = "", witness: str = "") -> Trust:
        """What the settings CIM_LOG_KEY and CIM_WITNESS say. Raises InvalidInput that begins with the setting's name."""
        try:
            key = VerifierKey.parse(log_key) if log_key else None
        except InvalidInput as error:
            raise InvalidInput(f"CIM_LOG_KEY: {error}") from error
        if key is not None and key.kind is not KeyKind.LOG:
            raise InvalidInput(f"CIM_LOG_KEY: {key.vkey} is no key of a log; the signer says its own when it starts.")
        try:
            return cls(log_key=key, witness=WitnessClient.parse(witness) if witness else None)
        except InvalidInput as error:
            raise InvalidInput(f"CIM_WITNESS: {error}") from error

    @property
    def keys(self) -> LogKeys | None:
        """The keys that need nothing from the store; None where no key of a log was said."""
        if self.log_key is None:
            return None
        return LogKeys(name=self.log_key.name, vkeys=(self.log_key,), witnesses=(self.witness.key,) if self.witness else ())


_FORK = ". Both bear the name of this log, so perhaps somebody who has an older key of it let another one follow"
NO_TRUST = Trust()
"""Nothing was told: the published keys are taken as they are."""


async def trusted_keys(connection: Connection, trust: Trust) -> LogKeys | None:
    """The published keys of the log, if they are those of the key that was told; None where there are none and none was told.

    Any key of a log will do: each leads to the next, and names the one before it. But one that was stolen can lead to two, so the newest is
    the one to tell. Where nothing is published the key that was told stands alone. Raises InvalidInput where the published keys do not
    hold, or are those of another log.
    """
    published = await read_keys(connection)
    if published is None:
        return trust.keys
    if trust.log_key is not None and trust.log_key not in published.vkeys:
        raise InvalidInput(
            f"The published keys of the log lead from {published.vkeys[0].vkey} to {published.vkeys[-1].vkey}, and this process was told "
            f"{trust.log_key.vkey} (CIM_LOG_KEY): another log was put in the place of this one, or the setting is that of another "
            f"installation{_FORK if trust.log_key.name == published.name else ''}."
        )
    return replace(published, witnesses=(trust.witness.key,)) if trust.witness else published

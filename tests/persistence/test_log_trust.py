"""What a process was told outside the store decides which log it believes, and which witness counts."""

from __future__ import annotations

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.log.keys import KeyKind, SigningKey, VerifierKey
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import SignerFolder, change_key, open_signer_folder
from apps.persistence.log.trust import NO_TRUST, Trust, trusted_keys

from .signing_stage import SigningStage, folder, stage

__all__ = ["folder", "stage"]


def key(name: str = "cim-0000") -> VerifierKey:
    return SigningKey.generate(name, KeyKind.LOG).verifier


def test_settings_name_key_and_witness() -> None:
    log, witness = key(), SigningKey.generate("witness.example", KeyKind.WITNESS).verifier

    trust = Trust.parse(log_key=log.vkey, witness=f"http://127.0.0.1:1/ {witness.vkey}")

    assert trust.log_key == log
    assert trust.witness is not None
    assert (trust.witness.key, trust.witness.url) == (witness, "http://127.0.0.1:1")
    assert Trust.parse() == NO_TRUST


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"log_key": "nonsense"}, "^CIM_LOG_KEY: "),
        ({"log_key": SigningKey.generate("w", KeyKind.WITNESS).verifier.vkey}, "^CIM_LOG_KEY: .* no key of a log"),
        ({"witness": "nowhere"}, "^CIM_WITNESS: "),
    ],
)
def test_setting_that_is_wrong_is_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Trust.parse(**settings)


async def test_published_keys_of_another_log_are_refused(stage: SigningStage, folder: SignerFolder) -> None:
    await publish_keys(stage.connection, folder.database.vkeys())

    with pytest.raises(InvalidInput, match="another log was put in the place of this one"):
        await trusted_keys(stage.connection, Trust(log_key=key(folder.key.name)))


async def test_each_key_of_the_log_leads_to_the_others(stage: SigningStage) -> None:
    with open_signer_folder(stage.folder) as opened:
        first = opened.key.verifier
    change_key(stage.folder)
    with open_signer_folder(stage.folder) as opened:
        await publish_keys(stage.connection, opened.database.vkeys())

    for known in (first, opened.key.verifier):
        found = await trusted_keys(stage.connection, Trust(log_key=known))
        assert found is not None
        assert found.vkeys == (first, opened.key.verifier)


async def test_only_the_named_witness_counts(stage: SigningStage, folder: SignerFolder) -> None:
    forged, named = (SigningKey.generate(name, KeyKind.WITNESS).verifier for name in ("forged", "named"))
    await publish_keys(stage.connection, folder.database.vkeys(), [forged.vkey])

    found = await trusted_keys(stage.connection, Trust.parse(log_key=folder.key.verifier.vkey, witness=f"http://x/ {named.vkey}"))

    assert found is not None
    assert found.witnesses == (named,)

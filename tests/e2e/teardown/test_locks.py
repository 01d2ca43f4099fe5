"""`unlock` and `relock`: S25, and S05 for who did it and why."""

from __future__ import annotations

import pytest

from tests.e2e.audit import changes_since
from tests.e2e.promises.vaults import VAULTS, backup
from tests.e2e.teardown.conftest import Remover
from tests.e2e.teardown.left import everything
from tests.e2e.teardown.test_order import UNLOCK
from tests.e2e.terminal import type_answers
from tests.hints import printed_commands

OFF, ON = "DeleteBackupVaultLockConfiguration", "PutBackupVaultLockConfiguration"


def lock_findings(remover: Remover) -> set[str]:
    findings = remover.run("status --json", "--only", "primary-lock,dr-lock").json["findings"]
    return {finding["check"] for finding in findings if finding["status"] == "fail"}


def locks(remover: Remover) -> list[bool]:
    return [bool(locked) for locked in everything(remover.deployment)["locks"].values()]


def test_off_and_on_again_with_a_record_of_why(remover: Remover) -> None:
    shown = remover.run("unlock", "--reason", "shorter retention: 2026", "--dry-run").out
    assert shown.count("20 recovery points, 20 of them younger than 30 days") == 2
    said = remover.run("unlock", "--reason", "shorter retention: 2026", "--yes")
    assert said.code == 0
    assert f"now holds {OFF}" in said.err
    assert "At the latest at 2026-01-12 06:00 UTC:\n  cabal-backup relock" in said.err
    for region, _ in VAULTS:
        (record,) = remover.sandbox.trail(OFF, region=region)
        assert record["userAgent"].endswith("reason/shorter_retention__2026")
    assert lock_findings(remover) == {"primary-lock", "dr-lock"}

    assert remover.run("relock").code == 0
    assert lock_findings(remover) == set()
    for region, vault in VAULTS:
        seen = backup(remover.deployment, region).describe_backup_vault(BackupVaultName=vault)
        assert (seen["Locked"], seen["MinRetentionDays"], seen["MaxRetentionDays"]) == (
            True,
            30,
            365,
        )
        assert "LockDate" not in seen


@pytest.mark.parametrize("done", VAULTS)
def test_cut_short_between_the_vaults(remover: Remover, done: tuple[str, str]) -> None:
    """Each command finishes what is left, and leaves the other vault alone."""
    region, vault = done
    left = next(place for place, _ in VAULTS if place != region)
    client = backup(remover.deployment, region)
    client.delete_backup_vault_lock_configuration(BackupVaultName=vault)
    began = remover.sandbox.advance(seconds=2)
    assert remover.run(*UNLOCK, "--yes").code == 0
    assert changes_since(remover.sandbox, began) == [(left, OFF)]
    assert locks(remover) == [False, False]

    client.put_backup_vault_lock_configuration(
        BackupVaultName=vault, MinRetentionDays=30, MaxRetentionDays=365
    )
    began = remover.sandbox.advance(seconds=2)
    assert remover.run("relock").code == 0
    assert changes_since(remover.sandbox, began) == [(left, ON)]
    assert locks(remover) == [True, True]
    began = remover.sandbox.advance(seconds=2)
    assert remover.run("relock").code == 0
    assert changes_since(remover.sandbox, began) == []


def test_one_vault_only_while_the_other_region_is_lost(remover: Remover) -> None:
    lost = ("--assume-region-lost", "us-west-1")
    unlocked = remover.run(*UNLOCK, "--vault", "dr", "--yes", *lost)
    assert unlocked.code == 0
    assert locks(remover) == [True, False]
    relock = printed_commands(unlocked.err)[-1]
    assert remover.operator.type(*relock.split()).code == 0
    assert locks(remover) == [True, True]


def test_a_reason_has_to_be_given(remover: Remover) -> None:
    assert remover.run("unlock", "--yes").code == 64
    assert remover.run("unlock", "--yes", "--reason", " ").code == 64
    assert locks(remover) == [True, True]


def test_a_lock_in_compliance_mode_is_left_alone(remover: Remover) -> None:
    backup(remover.deployment).put_backup_vault_lock_configuration(
        BackupVaultName="cabal-backup",
        MinRetentionDays=30,
        MaxRetentionDays=365,
        ChangeableForDays=3,
    )
    remover.sandbox.run_nights(4)
    said = remover.run(*UNLOCK, "--yes")
    assert (said.code, "no one can remove or change it" in said.err) == (4, True)
    assert locks(remover) == [True, True]
    said = remover.run("relock")
    assert (said.code, said.err.count("in compliance mode since 2026-01-14")) == (0, 1)
    said = remover.run("relock", "--yes", "-c", "development.lock_min_days=60")
    assert (said.code, "no one can remove or change it" in said.err) == (4, True)


@pytest.mark.parametrize(
    "setting", ["lock_min_days=1", "lock_max_days=400"], ids=["shorter", "longer"]
)
def test_relock_does_not_weaken_a_standing_lock_without_asking(
    remover: Remover, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaker = ("relock", "-c", f"development.{setting}")
    began = remover.sandbox.advance(seconds=2)
    for answer in (None, "yes"):
        if answer is not None:
            type_answers(monkeypatch, answer)
        said = remover.run(*weaker)
        assert said.code == 4
        assert said.err.count("THIS WEAKENS the lock of") == 2
    assert changes_since(remover.sandbox, began) == []
    type_answers(monkeypatch, "development")
    assert remover.run(*weaker).code == 0
    assert len(changes_since(remover.sandbox, began)) == 2
    # What is configured accepts less, so it does not ask.
    type_answers(monkeypatch, "yes")
    assert remover.run("relock").code == 0


def test_a_pending_compliance_lock_is_shown_and_stopped(remover: Remover) -> None:
    region, vault = VAULTS[0]
    client = backup(remover.deployment, region)
    client.put_backup_vault_lock_configuration(
        BackupVaultName=vault, MinRetentionDays=30, MaxRetentionDays=365, ChangeableForDays=3
    )
    until = client.describe_backup_vault(BackupVaultName=vault)["LockDate"]
    last = f"{until:%Y-%m-%d %H:%M UTC}"
    for shown in (
        remover.run(*UNLOCK, "--dry-run").out,
        remover.run("relock", "--dry-run").out,
    ):
        assert f"COMPLIANCE MODE PENDING, removable until {last}" in shown
        assert f"becomes immutable at {last}" in shown
    finding = next(
        one
        for one in remover.run("status --json", "--only", "primary-lock").json["findings"]
        if one["check"] == "primary-lock"
    )
    assert (finding["status"], last in finding["evidence"]) == ("fail", True)

    said = remover.run("relock")
    assert (said.code, "about to become immutable" in said.err) == (4, True)
    assert f"{vault} is unlocked for a moment" in said.err
    began = remover.sandbox.advance(seconds=2)
    assert remover.run("relock", "--yes").code == 0
    assert changes_since(remover.sandbox, began)[::-1] == [(region, OFF), (region, ON)]
    assert "LockDate" not in client.describe_backup_vault(BackupVaultName=vault)

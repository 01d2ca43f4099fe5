"""At a terminal: the plan is shown, the word has to be typed, and what is asked is asked."""

from __future__ import annotations

import pytest

from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import RESTORED, by_address, lose, promised
from tests.e2e.tables.tables import ADDRESSES, items, tables
from tests.sandbox.cabal import let_tables_settle


def test_a_cutover_by_a_person(small: Rescuer) -> None:
    backup = lose(small.sandbox)
    expected = promised(backup, items(small.sandbox, ADDRESSES), "mirror")

    terminal = small.terminal("cutover", RESTORED, ADDRESSES, "--mirror")
    terminal.wait_for("Type development to continue: ")
    assert "60 items only the live table has: deleted" in terminal.shown
    assert by_address(items(small.sandbox, ADDRESSES)) != expected
    terminal.type("development")
    terminal.wait_for(f"Delete {RESTORED}? Type development to continue: ")
    terminal.type("development")

    assert terminal.end() == 0, terminal.shown
    assert "Verified: the live table holds what it should." in terminal.shown
    assert "writing" in terminal.shown
    assert by_address(items(small.sandbox, ADDRESSES)) == expected
    let_tables_settle(small.sandbox)
    assert RESTORED not in tables(small.sandbox)


@pytest.mark.parametrize("typed", ["", "yes", "cutover"])
def test_another_word_changes_nothing(small: Rescuer, typed: str) -> None:
    lose(small.sandbox)
    before = items(small.sandbox, ADDRESSES)

    terminal = small.terminal("cutover", RESTORED, ADDRESSES, "--mirror")
    terminal.wait_for("to continue: ")
    terminal.type(typed)

    assert terminal.end() == 4
    assert "Not confirmed. Nothing was changed." in terminal.shown
    assert items(small.sandbox, ADDRESSES) == before


def test_ctrl_c_in_the_middle_ends_it_and_it_can_be_run_again(small: Rescuer) -> None:
    backup = lose(small.sandbox)
    before = items(small.sandbox, ADDRESSES)
    expected = promised(backup, before, "overwrite")

    terminal = small.terminal("cutover", RESTORED, ADDRESSES, "--yes", "--rate", "20")
    terminal.wait_for("Undo point")
    while items(small.sandbox, ADDRESSES) == before:
        assert terminal.is_running
    terminal.press(b"\x03")

    assert terminal.end() == 130, terminal.shown
    assert "cabal-backup: interrupted" in terminal.shown
    assert "Nothing was changed" not in terminal.shown
    again = small.run(f"cutover {RESTORED} {ADDRESSES} --yes")
    assert again.code == 0, again.err
    assert by_address(items(small.sandbox, ADDRESSES)) == expected

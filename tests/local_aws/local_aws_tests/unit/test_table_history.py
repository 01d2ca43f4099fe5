"""The version of a table's items says whether an image of them is still right."""

from __future__ import annotations

from local_aws.ministack.table_history import Table, TableHistory


def test_a_version_is_never_that_of_another_process() -> None:
    earlier, later = TableHistory(lambda: 0.0), TableHistory(lambda: 0.0)
    loaded: Table = {}
    earlier.forget(loaded)
    image = earlier.version(loaded)

    later.forget(loaded)

    assert later.version(loaded) != image

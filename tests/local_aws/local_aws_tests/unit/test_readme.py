"""The sandbox's README says what is served and how unclear points are read."""

from __future__ import annotations

from botocore.loaders import Loader

from local_aws.backup.coverage import coverage
from local_aws_tests.readme_tables import README, with_tables


def test_the_tables_are_up_to_date() -> None:
    """When not: python -m local_aws_tests.readme_tables"""
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text


def test_every_operation_of_the_model_is_in_the_table() -> None:
    model = Loader().load_service_model("backup", "service-2")
    text = README.read_text(encoding="utf-8")
    rows = {row.operation: row for row in coverage()}
    assert rows.keys() == model["operations"].keys()
    for name, row in rows.items():
        assert f"| `{name}` | {'yes' if row.served else 'no: '}" in text

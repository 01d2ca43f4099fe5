"""Two ways to copy the table `source` to `target`; run in a process of their own to be measured."""

from __future__ import annotations

import sys


def few_lines() -> None:
    """What one writes without much thought."""
    import boto3

    dynamodb = boto3.resource("dynamodb")
    source, target = dynamodb.Table("source"), dynamodb.Table("target")
    with target.batch_writer() as batch:
        page = source.scan()
        while True:
            for item in page["Items"]:
                batch.put_item(Item=item)
            if "LastEvaluatedKey" not in page:
                break
            page = source.scan(ExclusiveStartKey=page["LastEvaluatedKey"])


def ours() -> None:
    """The copy engine of `cabal-backup cutover`."""
    import boto3

    from cabal_backup.operations.aws.client import Aws
    from cabal_backup.operations.restore.tables.table_copy import Mode, copy_items
    from cabal_backup.operations.restore.tables.table_items import Table
    from cabal_backup.operations.restore.tables.wire import Rate, Stop, Wire
    from tests.builders import ACCOUNT, an_environment

    wire = Wire(Aws(an_environment(), boto3.Session(), ACCOUNT))
    tables = Table("source", ("address",)), Table("target", ("address",))
    for _ in copy_items(wire, *tables, Mode.OVERWRITE, Rate(None), Stop(), 0):
        pass


if __name__ == "__main__":
    {"few-lines": few_lines, "ours": ours}[sys.argv[1]]()

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
    from cabal_backup.operations.restore.tables import table_copy
    from cabal_backup.operations.restore.tables.table_items import Table
    from cabal_backup.operations.restore.tables.transport import CancelToken, Rate, Transport
    from tests.builders import ACCOUNT, an_environment

    transport = Transport(Aws(an_environment(), boto3.Session(), ACCOUNT))
    transfer = table_copy.Transfer(
        transport=transport, rate=Rate(None), stop=CancelToken(), report=lambda _: None
    )
    request = table_copy.CopyRequest(
        from_table=Table("source", ("address",)),
        to_table=Table("target", ("address",)),
        mode=table_copy.Mode.OVERWRITE,
        total=0,
    )
    table_copy.copy_items(transfer, request)


if __name__ == "__main__":
    {"few-lines": few_lines, "ours": ours}[sys.argv[1]]()

"""The dead-man's switch: nothing that succeeds is as loud as something that fails."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cabal_backup import names
from cabal_backup.infrastructure.alerts import Alerts

HOURS = 26
"""A night and two hours."""

_RESOURCES = {"DynamoDB": "addresses table", "EFS": "mailstore"}

_JOBS = (
    ("Backup", "backup", "NumberOfBackupJobsCompleted", names.VAULT),
    ("Copy", "copy to the DR region", "NumberOfCopyJobsCompleted", names.DR_VAULT),
)
"""Copy jobs are counted under the name of the vault that they copy into."""


class SilenceAlarms(Construct):
    """Alarms that rise when for 26 hours no backup, or no copy, of a resource succeeded.

    AWS Backup reports these counts every five minutes and never a zero, so that missing
    data means nothing succeeded, whatever the reason: a plan without a selection, a job
    that hangs, an opt-in that is off. One alarm for each kind of job and resource.

    Right after the first deployment they rise, until the first night is over: that
    nothing was backed up yet is true, and it proves the channel. CloudWatch may look at a few
    periods more than asked for when data is missing, which can delay an alarm. AWS does not say
    in which region it counts copies; here it is the one where the jobs are. Were that wrong, the
    alarms on copies would stand from the first day on: loud, not silent.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/cloudwatch.html
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """

    def __init__(self, scope: Construct, id: str, *, alerts: Alerts) -> None:
        """
        :param alerts: who is told, in the primary region.
        """
        super().__init__(scope, id)
        for kind, what, metric, vault in _JOBS:
            for resource_type, resource in _RESOURCES.items():
                alarm = cloudwatch.Alarm(
                    self,
                    f"{kind}{resource_type}",
                    alarm_name=f"{names.STACK}-no-{kind.lower()}-{resource_type.lower()}",
                    alarm_description=f"For {HOURS} hours no {what} of the {resource} has "
                    "succeeded.",
                    metric=cloudwatch.Metric(
                        namespace="AWS/Backup",
                        metric_name=metric,
                        dimensions_map={"BackupVaultName": vault, "ResourceType": resource_type},
                        statistic=cloudwatch.Stats.SUM,
                        period=Duration.hours(1),
                    ),
                    comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                    threshold=1,
                    evaluation_periods=HOURS,
                    treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
                )
                alerts.tell_alarm(alarm)

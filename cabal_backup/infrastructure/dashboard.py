"""The CloudWatch dashboard: nights, copies, lag, recovery points and restore tests."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cabal_backup import names
from cabal_backup.environment import Environment

AWS_BACKUP = "AWS/Backup"
"""The namespace of what AWS Backup counts, every five minutes and never a zero.

https://docs.aws.amazon.com/aws-backup/latest/devguide/cloudwatch.html
"""

KINDS = {"DynamoDB": "table", "EFS": "mailstore"}

TIERS = {
    "Completed": "made",
    "Cold": "moved to cold storage",
    "Deleting": "being deleted",
    "Partial": "partial",
    "Expired": "expired, and could not be deleted",
}
"""What AWS Backup counts of recovery points, and how we call it."""

HALF, WHOLE = 12, 24
"""Columns of the dashboard, which has 24."""


class BackupDashboard(Construct):
    """One dashboard in the primary region, with the metrics of both.

    A point of a graph is a day (UTC). Where nothing happened AWS Backup reports nothing:
    a gap is a night in which nothing was counted.
    """

    def __init__(self, scope: Construct, id: str, *, environment: Environment) -> None:
        """
        :param environment: whose nights are shown. Its dashboard has one name in the
            account, so an account has one such environment.
        """
        super().__init__(scope, id)
        self._environment = environment
        primary, dr = environment.region, environment.dr_region
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=names.DASHBOARD,
            default_interval=Duration.days(35),
            widgets=[
                [cloudwatch.TextWidget(markdown=self._words(), width=WHOLE, height=7)],
                [
                    self._counts("Nights: backups completed", "NumberOfBackupJobs", ["Completed"]),
                    self._counts(
                        "Nights: backups not completed",
                        "NumberOfBackupJobs",
                        ["Failed", "Expired", "Aborted"],
                    ),
                ],
                [self._copies(), self._lag()],
                [
                    self._points(f"Recovery points, {primary}", names.VAULT, primary),
                    self._points(f"Recovery points, {dr} (copies)", names.DR_VAULT, dr),
                ],
                [
                    self._counts(
                        "Restores, tests included", "NumberOfRestoreJobs", ["Completed", "Failed"]
                    ),
                    *([self._verdicts()] if environment.restore_testing else []),
                ],
            ],
        )

    def _counts(self, title: str, metric: str, states: Sequence[str]) -> cloudwatch.GraphWidget:
        """Jobs on the primary vault by state and type."""
        return self._graph(
            title,
            [
                _aws_backup(
                    f"{metric}{state}",
                    names.VAULT,
                    self._environment.region,
                    kind,
                    f"{name} {state.lower()}",
                )
                for state in states
                for kind, name in KINDS.items()
            ],
        )

    def _copies(self) -> cloudwatch.GraphWidget:
        """Counted under the vault copied into; AWS does not say in which region, so in both."""
        return self._graph(
            f"Copies to {self._environment.dr_region}",
            [
                _aws_backup(
                    f"NumberOfCopyJobs{state}",
                    names.DR_VAULT,
                    region,
                    kind,
                    f"{name} {state.lower()}, counted in {region}",
                )
                for region in (self._environment.region, self._environment.dr_region)
                for state in ("Completed", "Failed")
                for kind, name in KINDS.items()
            ],
        )

    def _lag(self) -> cloudwatch.GraphWidget:
        return self._graph(
            "How long backups waited for their copy, at most (seconds)",
            [
                self._ours("CopyLag", kind, name, cloudwatch.Stats.MAXIMUM)
                for kind, name in KINDS.items()
            ],
        )

    def _points(self, title: str, vault: str, region: str) -> cloudwatch.GraphWidget:
        return self._graph(
            title,
            [
                _aws_backup(
                    f"NumberOfRecoveryPoints{state}", vault, region, kind, f"{name} {words}"
                )
                for state, words in TIERS.items()
                for kind, name in KINDS.items()
            ],
        )

    def _verdicts(self) -> cloudwatch.GraphWidget:
        return self._graph(
            "Restore tests: verdicts",
            [
                self._ours(f"RestoreTest{verdict}", kind, f"{name} {verdict.lower()}")
                for verdict in ("Successful", "Failed")
                for kind, name in KINDS.items()
            ],
        )

    def _ours(
        self, metric: str, kind: str, label: str, statistic: str = cloudwatch.Stats.SUM
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=names.METRICS,
            metric_name=metric,
            dimensions_map={"ResourceType": kind},
            region=self._environment.region,
            label=label,
            statistic=statistic,
            period=Duration.days(1),
        )

    def _graph(self, title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(
            title=title,
            left=metrics,
            region=self._environment.region,
            left_y_axis=cloudwatch.YAxisProps(min=0),
            width=HALF,
            height=6,
        )

    def _words(self) -> str:
        name = self._environment.name
        region, dr_region = self._environment.region, self._environment.dr_region
        testing = self._environment.restore_testing
        tests = (
            f"**Restore tests** run by `{testing.schedule}`; a verdict that failed: "
            "docs/restore-testing.md."
            if testing
            else "**Restore tests** are off in this environment."
        )
        return "\n".join(
            (
                f"# Cabal backups: {name}",
                f"Vault `{names.VAULT}` in {region}, copies in `{names.DR_VAULT}` in {dr_region}. "
                "A point is a day in UTC; AWS Backup counts nothing that did not happen, so a gap "
                "is a night without.",
                "",
                f"Is everything as promised? `cabal-backup status -e {name}`. "
                f"Which nights are there? `cabal-backup points -e {name}`. "
                f"Why did a job fail? `cabal-backup jobs -e {name}`.",
                "",
                "**Nights** and **copies** should each show one table and one mailstore completed, "
                "and none failed. **How long backups waited** is from a recovery point's creation "
                "to its copy's completion. "
                "**Recovery points** that expired could not be deleted: the role may be gone.",
                "",
                tests,
            )
        )


def _aws_backup(metric: str, vault: str, region: str, kind: str, label: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=AWS_BACKUP,
        metric_name=metric,
        dimensions_map={"BackupVaultName": vault, "ResourceType": kind},
        region=region,
        label=label,
        statistic=cloudwatch.Stats.SUM,
        period=Duration.days(1),
    )

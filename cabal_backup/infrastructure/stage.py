"""One environment as a CDK Stage: its stacks, in the order they need each other."""

from __future__ import annotations

from collections.abc import Callable

from aws_cdk import Environment as CdkEnvironment
from aws_cdk import Stack, Stage, Tags
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.access_policies import AccessStack
from cabal_backup.infrastructure.dr import DrStack
from cabal_backup.infrastructure.primary import PrimaryStack


class BackupStage(Stage):
    """The two stacks that protect one environment, and with `access_policies` that of the policies.

    The primary stack is deployed after the DR stack, because its plan copies into the
    DR vault from the first night on. Both refuse to be deleted while CloudFormation's
    termination protection is on, which only the deliberate teardown lifts.
    """

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
        """
        :param environment: an environment whose backup is on. Its name becomes the id of
            the stage, and so the first part of what `cdk ls` shows.
        """
        super().__init__(scope, environment.name)
        self._environment = environment
        Tags.of(self).add(names.ENVIRONMENT_TAG, environment.name)
        Tags.of(self).add(names.MANAGED_BY_TAG, names.MANAGED_BY)
        here, there = environment.region, environment.dr_region
        dr = self._add(DrStack, names.DR_STACK, there, "the DR copies of its nightly backups")
        primary = self._add(PrimaryStack, names.STACK, here, "nightly backups and their plan")
        primary.add_stack_dependency(dr)
        if environment.access_policies:
            what = "who may do what with its backups"
            access = self._add(AccessStack, names.ACCESS_STACK, there, what)
            # The policies stay when it is deleted, so that it can be switched off.
            access.termination_protection = False

    def _add(self, kind: Callable[..., Stack], name: str, region: str, what: str) -> Stack:
        return kind(
            self,
            name,
            environment=self._environment,
            stack_name=name,
            description=f"Cabal ({self._environment.name}): {what}",
            env=CdkEnvironment(account=self._environment.account, region=region),
            termination_protection=True,
        )

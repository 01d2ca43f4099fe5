"""One environment as a CDK Stage: its stacks, in the order they need each other."""

from __future__ import annotations

from aws_cdk import Environment as CdkEnvironment
from aws_cdk import Stage, Tags
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
        Tags.of(self).add(names.ENVIRONMENT_TAG, environment.name)
        Tags.of(self).add(names.MANAGED_BY_TAG, names.MANAGED_BY)
        dr = DrStack(
            self,
            names.DR_STACK,
            environment=environment,
            stack_name=names.DR_STACK,
            description=f"Cabal ({environment.name}): the DR copies of its nightly backups",
            env=CdkEnvironment(account=environment.account, region=environment.dr_region),
            termination_protection=True,
        )
        primary = PrimaryStack(
            self,
            names.STACK,
            environment=environment,
            stack_name=names.STACK,
            description=f"Cabal ({environment.name}): nightly backups and their plan",
            env=CdkEnvironment(account=environment.account, region=environment.region),
            termination_protection=True,
        )
        primary.add_stack_dependency(dr)
        if environment.access_policies:
            AccessStack(
                self,
                names.ACCESS_STACK,
                environment=environment,
                stack_name=names.ACCESS_STACK,
                description=f"Cabal ({environment.name}): who may do what with its backups",
                env=CdkEnvironment(account=environment.account, region=environment.dr_region),
                # The policies stay when it is deleted, so that it can be switched off.
                termination_protection=False,
            )

"""One environment as a CDK Stage: its stacks, in the order they need each other."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack, Stage, Tags
from aws_cdk import Environment as CdkEnvironment
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.alert_channel import Alerts
from cabal_backup.infrastructure.backup_role import backup_role, restore_test_role
from cabal_backup.infrastructure.custom_resources import AdvancedDynamoDB
from cabal_backup.infrastructure.managed_policies import AccessPolicies
from cabal_backup.infrastructure.nightly_plan import NightlyPlan
from cabal_backup.infrastructure.places import Places
from cabal_backup.infrastructure.restore_test_plans import RestoreTesting
from cabal_backup.infrastructure.vault import AirGappedVault, locked_vault

Output = tuple[str, str, str]
"""Name, value and description."""


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
        dr = _DrStack(self, environment)
        _PrimaryStack(self, environment).add_stack_dependency(dr)
        if environment.access_policies:
            what = "who may do what with its backups"
            access = _Stack(self, environment, names.ACCESS_STACK, environment.dr_region, what)
            # The policies stay when it is deleted, so that it can be switched off.
            access.termination_protection = False
            AccessPolicies(access, "Access", environment=environment)


class _Stack(Stack):
    """One stack of an environment, which cannot be deleted by mistake."""

    def __init__(
        self, scope: Construct, environment: Environment, name: str, region: str, what: str
    ) -> None:
        super().__init__(
            scope,
            name,
            stack_name=name,
            description=f"Cabal ({environment.name}): {what}",
            env=CdkEnvironment(account=environment.account, region=region),
            termination_protection=True,
        )
        self._environment = environment


class _RegionStack(_Stack):
    """What each of the two regions has: a locked vault, the opt-in, alerts and restore testing."""

    def _start(self, vault: str) -> None:
        environment = self._environment
        self._vault = locked_vault(self, name=vault, lock=environment.lock)
        self._opt_in = AdvancedDynamoDB(self, "AdvancedDynamoDB")
        self._complete_first: list[IDependable] = [self._opt_in.resource]
        if environment.region_of_air_gapped == self.region:
            air_gapped = AirGappedVault(self, "AirGapped", environment=environment)
            self._complete_first.append(air_gapped)

    def _finish(
        self, *outputs: Output, role: iam.IRole | None = None, nightly: NightlyPlan | None = None
    ) -> None:
        """Add alerts, restore testing and the outputs.

        :param role: what AWS Backup restores under for tests. Default: a role of its own.
        :param nightly: the plan of this region. Default: there is none.
        """
        environment, alerts = self._environment, None
        if environment.alerts:
            alerts = Alerts(
                self,
                "Alerts",
                environment=environment,
                plan_id=nightly.plan.backup_plan_id if nightly else None,
                after=[self._vault, *([nightly] if nightly else [])],
            )
        if environment.restore_testing:
            RestoreTesting(
                self,
                "RestoreTesting",
                environment=environment,
                vault=self._vault,
                role=role or restore_test_role(self),
                role_usable=nightly.role_usable if nightly else None,
                dead_letters=alerts.topic if alerts else None,
            )
        for name, value, description in (*outputs, *self._opt_in.outputs):
            CfnOutput(self, name, value=value, description=description)


class _DrStack(_RegionStack):
    """The locked vault for copies, and the opt-in that copying back relies on."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        what = "the DR copies of its nightly backups"
        super().__init__(scope, environment, names.DR_STACK, environment.dr_region, what)
        self._start(names.DR_VAULT)
        # The environment's role comes later, with the primary stack.
        self._finish(
            ("VaultName", self._vault.backup_vault_name, "The vault that holds the copies"),
            ("VaultArn", self._vault.backup_vault_arn, "Where a copy job into this region goes"),
        )


class _PrimaryStack(_RegionStack):
    """The locked vault, the role, the opt-in and the nightly plan with its copy."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        what = "nightly backups and their plan"
        super().__init__(scope, environment, names.STACK, environment.region, what)
        self._start(names.VAULT)
        if environment.mailstore_file_system_id is None:
            raise ValueError("mailstore_file_system_id is required to protect an environment")
        vault = self._vault
        at = Places(vars(environment), partition=self.partition, account=self.account)
        # By its ARN: the vault itself would connect the two stacks with export and reader
        # resources in both regions.
        _, dr_vault_arn = at.vaults
        third = dict.fromkeys(at.air_gapped_vault, environment.air_gapped_lifecycle)
        copies = {dr_vault_arn: environment.dr_lifecycle, **third}
        # The primary vault is the target of copying back.
        role = backup_role(self, copy_targets=[vault.backup_vault_arn, *copies])
        nightly = NightlyPlan(
            self,
            "Nightly",
            vault=vault,
            lifecycle=environment.lifecycle,
            copies=copies,
            role=role,
            resource_arns=[at.addresses, at.mailstore],
            # A table's recovery point made before the opt-in can never be copied.
            after=self._complete_first,
        )
        self._finish(
            *(("AirGappedVaultArn", each, "The vault no one can empty") for each in third),
            ("VaultName", vault.backup_vault_name, "The vault that holds the nights"),
            ("VaultArn", vault.backup_vault_arn, "Where a copy back from the DR region goes"),
            ("DrVaultArn", dr_vault_arn, "The vault every night is copied to"),
            ("RoleArn", role.role_arn, "The role for backup, copy and restore jobs"),
            ("PlanId", nightly.plan.backup_plan_id, "The nightly backup plan"),
            ("SelectionId", nightly.selection.selection_id, "What the plan selects"),
            ("AddressesTableArn", at.addresses, "The table in the plan"),
            ("MailstoreArn", at.mailstore, "The file system in the plan"),
            role=role,
            nightly=nightly,
        )

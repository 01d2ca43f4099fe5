"""The CDK application: one Stage for every environment whose backup is on.

`cdk` runs this file (see cdk.json). The environments come from the CDK context; what
is wrong with them is reported in words and ends with exit code 1.
"""

import sys

try:
    from aws_cdk import App, Validations
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed for {sys.executable}. Run `make setup` and use "
        "`make cdk`, or install requirements.txt and activate its environment (docs/install.md)."
    )

from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks

from cabal_backup.config.reader import ConfigurationError, read_environments
from cabal_backup.infrastructure.managed_policies import too_long
from cabal_backup.infrastructure.stage import BackupStage


def main() -> int:
    return build(App())


def build(app: App) -> int:
    """Put the environments of the app's context into it, check and synthesize; the exit code."""
    try:
        for environment in read_environments(app.node.get_all_context(), further=too_long):
            if environment.backup:
                BackupStage(app, environment=environment)
            else:
                print(
                    f"{environment.name}: backup is off, so it has no stacks. To turn it on, set "
                    f'"backup": true in cdk.json or use -c {environment.name}.backup=true.',
                    file=sys.stderr,
                )
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    add_checks(app)
    return synthesize(app)


def add_checks(app: App) -> None:
    """Have cdk-nag check every template; a finding that is not acknowledged fails synthesis.

    docs/decisions/rule-packs.md says why these packs.

    https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
    """
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), NIST80053R5Checks(app))


def synthesize(app: App) -> int:
    try:
        app.synth()
    except RuntimeError as error:
        # The report is on stderr already; a stack trace of the framework adds nothing.
        if "ValidationFailed" not in str(error):
            raise
        print("Synthesis stopped: a rule pack found what is listed above.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

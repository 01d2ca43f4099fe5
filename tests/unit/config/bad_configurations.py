"""Configurations with one thing wrong, and the report that is expected of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.builders import ACCOUNT, a_context, settings


@dataclass(frozen=True)
class Bad:
    """A configuration with one thing wrong, and what has to be said about it."""

    setting: str
    received: Any
    rule: str
    remedy: str
    written: dict[str, Any]
    """The settings of prod; or, with `whole`, the context."""
    whole: bool = False

    @property
    def context(self) -> dict[str, Any]:
        return self.written if self.whole else a_context(**self.written)


def bad(name: str, received: Any, rule: str, remedy: str, **others: Any) -> Bad:
    """One setting of prod that is wrong, or does not go with `others`."""
    return Bad(f"prod.{name}", received, rule, remedy, {name: received, **others})


def missing(name: str, rule: str, remedy: str, **written: Any) -> Bad:
    """A setting of prod that is not there."""
    context = {"environments": {"prod": written}}
    return Bad(f"prod.{name}", "not set", rule, remedy, context, whole=True)


def wrong(setting: str, received: Any, rule: str, remedy: str, context: dict[str, Any]) -> Bad:
    """A context that is wrong in another way."""
    return Bad(setting, received, rule, remedy, context, whole=True)


ACCOUNT_RULE = ("12 digits of an AWS account id, as text", '"123456789012"')
REGION_RULE = ("the code of an AWS region, such as us-west-1", "aws ec2 describe-regions")
FLAG_RULE = ("either true or false", "write true or false")
TABLE_RULE = ("3 to 255 letters, digits, '_', '-' or '.'", "aws dynamodb list-tables")
MAILSTORE_RULE = ("fs- and 8 or 17 hexadecimal digits", "aws efs describe-file-systems")
LIST_RULE = ("a list of DynamoDB table names", "a JSON list, or separate them by commas")
EMAIL_RULE = ("it must be an e-mail address", "operator@example.com")
URL_RULE = ("an HTTPS URL without a user name", "https://example.com/alerts")
DAILY_RULE = ("one moment every day, in UTC", "cron(0 12 * * ? *)")
BUCKET_RULE = ("the name of an S3 bucket", "aws s3api list-buckets")
PARAMETER_RULE = ("the full name of an SSM parameter", "SecureString")
CRON_RULE = ("an AWS cron expression of six fields", "cron(0 6 1 * ? *)")
PERCENT_RULE = ("a whole number from 0 to 100", "a number from 0 to 100")
DAYS_RULE = ("a whole number of days from 1 to 36500", "a number from 1 to 36500")
COLD_RULE = ('from 1 to 36500, or "never" for no cold storage', '"never" to keep everything warm')
AIR_GAPPED_RULE = ("a whole number of days from 7 to 36500", "a number from 7 to 36500")
AIR_GAPPED_LIMITS = ("within the limits of the air-gapped vault", "before the vault is created")
COLD_STORAGE = "in cold storage for at least 90 days"
LOCK = "within the lock of the vaults"
NO_SETTING = "there is no such setting"
COMPLIANCE = ("compliance mode can never be removed", "remove this setting")
NAME_RULE = ("lower-case letters, digits and '-', starting with a letter", "rename it")
PARTITION = "AWS Backup cannot copy from one to the other"

BAD: dict[str, Bad] = {
    # account
    "account-missing": missing(
        "account",
        "whose backup is true must name its account",
        "aws sts get-caller-identity",
        backup=True,
        mailstore_file_system_id="fs-0123456789abcdef0",
    ),
    "account-11-digits": bad("account", "12345678901", *ACCOUNT_RULE),
    "account-13-digits": bad("account", "1234567890123", *ACCOUNT_RULE),
    "account-a-number": bad("account", 123456789012, *ACCOUNT_RULE),
    "account-with-a-letter": bad("account", "12345678901a", *ACCOUNT_RULE),
    "account-with-dashes": bad("account", "1234-5678-9012", *ACCOUNT_RULE),
    "account-with-a-space": bad("account", "123456789012 ", *ACCOUNT_RULE),
    "account-with-a-line-end": bad("account", "123456789012\n", *ACCOUNT_RULE),
    "account-in-other-digits": bad("account", "١٢٣٤٥٦٧٨٩٠١٢", *ACCOUNT_RULE),
    # regions
    "region-without-number": bad("region", "us-west", *REGION_RULE),
    "region-a-zone": bad("region", "us-west-1a", *REGION_RULE),
    "region-upper-case": bad("region", "US-WEST-1", *REGION_RULE),
    "region-underscores": bad("region", "us_west_1", *REGION_RULE),
    "region-of-no-continent": bad("region", "mars-east-1", *REGION_RULE),
    "region-of-no-direction": bad("region", "us-up-1", *REGION_RULE),
    "region-empty": bad("region", "", *REGION_RULE),
    "region-a-number": bad("region", 1, *REGION_RULE),
    "region-a-list": bad("region", ["us-west-1"], *REGION_RULE),
    "dr-region-malformed": bad("dr_region", "uswest2", *REGION_RULE),
    "dr-region-global": bad("dr_region", "aws-global", *REGION_RULE),
    "dr-region-the-default-region": bad("dr_region", "us-west-1", "another region", "a second"),
    "regions-equal": bad(
        "dr_region", "eu-west-1", "another region", "a second", region="eu-west-1"
    ),
    "region-the-default-dr-region": wrong(
        "prod.dr_region",
        "us-west-2",
        "another region",
        "choose a second region",
        {"environments": {"prod": settings(region="us-west-2")}},
    ),
    "dr-region-in-china": bad("dr_region", "cn-north-1", PARTITION, "choose a region in aws"),
    "dr-region-in-govcloud": bad("dr_region", "us-gov-west-1", PARTITION, "a region in aws"),
    "dr-region-out-of-china": bad(
        "dr_region",
        "us-west-2",
        PARTITION,
        "choose a region in aws-cn",
        region="cn-north-1",
        restore_testing=False,
    ),
    "dr-region-out-of-govcloud": bad(
        "dr_region",
        "us-west-2",
        PARTITION,
        "a region in aws-us-gov",
        region="us-gov-west-1",
        restore_testing=False,
    ),
    # backup
    "backup-yes": bad("backup", "yes", *FLAG_RULE),
    "backup-capital": bad("backup", "True", *FLAG_RULE),
    "backup-one": bad("backup", 1, *FLAG_RULE),
    "backup-empty": bad("backup", "", *FLAG_RULE),
    "backup-a-list": bad("backup", [], *FLAG_RULE),
    "backup-an-object": bad("backup", {"enabled": True}, *FLAG_RULE),
    # tables
    "table-too-short": bad("addresses_table", "ab", *TABLE_RULE),
    "table-too-long": bad("addresses_table", "a" * 256, *TABLE_RULE),
    "table-with-a-space": bad("addresses_table", "cabal addresses", *TABLE_RULE),
    "table-an-arn": bad(
        "addresses_table", "arn:aws:dynamodb:us-west-1:123456789012:table/cabal", *TABLE_RULE
    ),
    "table-a-pattern": bad("addresses_table", "cabal-*", *TABLE_RULE),
    "table-not-ascii": bad("addresses_table", "cabal-adressbücher", *TABLE_RULE),
    "table-a-number": bad("addresses_table", 7, *TABLE_RULE),
    "table-empty": bad("addresses_table", "", *TABLE_RULE),
    "pitr-a-number": bad("pitr_tables", 5, *LIST_RULE),
    "pitr-an-object": bad("pitr_tables", {"cabal-counter": True}, *LIST_RULE),
    "pitr-holds-a-number": bad("pitr_tables", ["cabal-counter", 5], *TABLE_RULE),
    "pitr-holds-a-bad-name": bad("pitr_tables", ["cabal counter"], *TABLE_RULE),
    "pitr-holds-a-list": bad("pitr_tables", [["cabal-counter"]], *TABLE_RULE),
    "pitr-duplicate": bad(
        "pitr_tables",
        ["cabal-counter", "cabal-counter"],
        "each must be listed once",
        "keep one of each of these: cabal-counter",
    ),
    "pitr-duplicate-as-text": bad(
        "pitr_tables", "abc,def,abc", "each must be listed once", "one of each of these: abc"
    ),
    "pitr-an-empty-name": bad("pitr_tables", "abc,,def", *TABLE_RULE),
    "pitr-holds-the-addresses": bad(
        "pitr_tables",
        ["cabal-addresses"],
        "cabal-addresses is in the plan",
        "remove cabal-addresses from the list",
    ),
    # alerts
    "alerts-yes": bad("alerts", "yes", *FLAG_RULE),
    "alerts-a-number": bad("alert_on_tampering", 1, *FLAG_RULE),
    "emails-a-number": bad("alert_emails", 5, "a list of e-mail addresses", "a JSON list"),
    "emails-no-at": bad("alert_emails", ["operator"], *EMAIL_RULE),
    "emails-no-domain": bad("alert_emails", "operator@localhost", *EMAIL_RULE),
    "emails-with-a-space": bad("alert_emails", "the operator@example.com", *EMAIL_RULE),
    "emails-duplicate": bad(
        "alert_emails", "a@example.com,a@example.com", "listed once", "keep one of each"
    ),
    "urls-plain-http": bad("alert_urls", "http://example.com/", *URL_RULE),
    "urls-with-a-password": bad("alert_urls", ["https://me:secret@example.com/"], *URL_RULE),
    "urls-with-a-fragment": bad("alert_urls", ["https://example.com/#here"], *URL_RULE),
    # settings of earlier versions
    "silence": bad("alert_on_silence", True, "reports a night without a backup", "remove this"),
    "role-changes": bad("alert_on_role_changes", True, "reports a changed role", "remove this"),
    "dashboard": bad("dashboard", False, "shows the state of both regions", "remove this setting"),
    # the watch
    "watch-monthly": bad("watch_schedule", "cron(0 12 1 * ? *)", *DAILY_RULE),
    "watch-every-hour": bad("watch_schedule", "cron(0 * * * ? *)", *DAILY_RULE),
    "watch-no-such-hour": bad("watch_schedule", "cron(0 24 * * ? *)", *DAILY_RULE),
    "watch-a-rate": bad("watch_schedule", "rate(1 day)", *DAILY_RULE),
    "profile-with-a-space": bad(
        "profile", "my profile", "name of a profile", "aws configure list-profiles"
    ),
    "heartbeat-the-url": bad("heartbeat_parameter", "https://example.com/ping", *PARAMETER_RULE),
    "heartbeat-without-a-slash": bad("heartbeat_parameter", "heartbeat", *PARAMETER_RULE),
    "heartbeat-reserved": bad("heartbeat_parameter", "/aws/heartbeat", *PARAMETER_RULE),
    "heartbeat-without-alerts": bad(
        "heartbeat_parameter",
        "/cabal-backup/heartbeat",
        "it is part of the alerts, which are off",
        "set alerts to true",
        alerts=False,
    ),
    "bucket-an-arn": bad("report_bucket", "arn:aws:s3:::reports", *BUCKET_RULE),
    "bucket-with-a-prefix": bad("report_bucket", "reports/cabal", *BUCKET_RULE),
    "bucket-in-capitals": bad("report_bucket", "Reports", *BUCKET_RULE),
    "bucket-without-alerts": bad(
        "report_bucket",
        "reports",
        "the watch writes the report, and it is part of the alerts, which are off",
        "set alerts to true",
        alerts=False,
    ),
    # restore testing
    "schedule-a-rate": bad("restore_testing_schedule", "rate(30 days)", *CRON_RULE),
    "schedule-five-fields": bad("restore_testing_schedule", "cron(0 6 1 * ?)", *CRON_RULE),
    "schedule-without-cron": bad("restore_testing_schedule", "0 6 1 * ? *", *CRON_RULE),
    "tolerance-over-all": bad("restore_testing_tolerance_percent", 101, *PERCENT_RULE),
    "tolerance-negative": bad("restore_testing_tolerance_percent", "-1", *PERCENT_RULE),
    "tolerance-a-fraction": bad("restore_testing_tolerance_percent", 0.1, *PERCENT_RULE),
    "restore-testing-in-china": bad(
        "restore_testing",
        True,
        "does not support restore testing plans in aws-cn",
        "set it to false",
        region="cn-north-1",
        dr_region="cn-northwest-1",
    ),
    # mailstore
    "mailstore-missing": missing(
        "mailstore_file_system_id",
        "whose backup is true must name its mailstore",
        "Name=cabal-efs",
        backup=True,
        account="123456789012",
    ),
    "mailstore-missing-as-text": missing(
        "mailstore_file_system_id",
        "whose backup is true must name its mailstore",
        "aws efs describe-file-systems",
        backup="true",
        account="123456789012",
    ),
    "mailstore-short": bad("mailstore_file_system_id", "fs-0123", *MAILSTORE_RULE),
    "mailstore-long": bad("mailstore_file_system_id", "fs-0123456789abcdef01", *MAILSTORE_RULE),
    "mailstore-upper-case": bad("mailstore_file_system_id", "fs-0123ABCD", *MAILSTORE_RULE),
    "mailstore-not-hexadecimal": bad("mailstore_file_system_id", "fs-0123456g", *MAILSTORE_RULE),
    "mailstore-an-access-point": bad("mailstore_file_system_id", "fsap-01234567", *MAILSTORE_RULE),
    "mailstore-an-arn": bad(
        "mailstore_file_system_id",
        "arn:aws:elasticfilesystem:us-west-1:123456789012:file-system/fs-01234567",
        *MAILSTORE_RULE,
    ),
    "mailstore-two": bad("mailstore_file_system_id", "fs-01234567,fs-89abcdef", *MAILSTORE_RULE),
    # days
    "cold-zero": bad("cold_after_days", 0, *COLD_RULE),
    "cold-negative": bad("cold_after_days", -30, *COLD_RULE),
    "cold-a-word": bad("cold_after_days", "Never", *COLD_RULE),
    "cold-false": bad("cold_after_days", False, *COLD_RULE),
    "dr-cold-a-fraction": bad("dr_cold_after_days", 1.5, *COLD_RULE),
    "dr-cold-too-many": bad("dr_cold_after_days", 36501, *COLD_RULE),
    "delete-never": bad("delete_after_days", "never", *DAYS_RULE),
    "delete-with-a-unit": bad("delete_after_days", "365 days", *DAYS_RULE),
    "delete-true": bad("delete_after_days", True, *DAYS_RULE),
    "delete-too-many": bad("delete_after_days", 36501, *DAYS_RULE),
    "delete-very-many-digits": bad("delete_after_days", "9" * 5000, *DAYS_RULE),
    "dr-delete-zero": bad("dr_delete_after_days", 0, *DAYS_RULE),
    "dr-delete-a-list": bad("dr_delete_after_days", [365], *DAYS_RULE),
    "dr-delete-empty": bad("dr_delete_after_days", "", *DAYS_RULE),
    "lock-min-zero": bad("lock_min_days", 0, *DAYS_RULE),
    "lock-min-a-fraction": bad("lock_min_days", "30.5", *DAYS_RULE),
    "lock-max-too-many": bad("lock_max_days", "36501", *DAYS_RULE),
    "lock-max-an-exponent": bad("lock_max_days", "1e3", *DAYS_RULE),
    # days that do not go together
    "delete-before-90-cold-days": bad(
        "delete_after_days", 119, COLD_STORAGE, "raise it to 120, lower cold_after_days"
    ),
    "delete-before-90-cold-days-after-a-late-move": bad(
        "delete_after_days", 365, COLD_STORAGE, "raise it to 366", cold_after_days=276
    ),
    "dr-delete-before-90-cold-days": bad(
        "dr_delete_after_days", 119, COLD_STORAGE, "raise it to 120, lower dr_cold_after_days"
    ),
    "delete-over-the-lock": bad("delete_after_days", 366, f"{LOCK}, 30 to 365 days", "change it"),
    "dr-delete-over-the-lock": bad(
        "dr_delete_after_days", 366, f"{LOCK}, 30 to 365 days", "lock_min_days and lock_max_days"
    ),
    "delete-under-the-lock": bad(
        "delete_after_days", 29, f"{LOCK}, 30 to 365 days", "change it", cold_after_days="never"
    ),
    "dr-delete-under-the-lock": bad(
        "dr_delete_after_days", 29, f"{LOCK}, 30 to 365", "change it", dr_cold_after_days="never"
    ),
    "lock-min-equals-max": bad(
        "lock_min_days", 365, "must be less than lock_max_days (365)", "or raise lock_max_days"
    ),
    "lock-min-over-max": bad(
        "lock_min_days", 366, "must be less than lock_max_days (365)", "or raise lock_max_days"
    ),
    # settings that do not exist
    "unknown-shortened": bad("mailstore", "fs-01234567", NO_SETTING, "mean mailstore_file_system"),
    "unknown-misspelt": bad("dr_regoin", "us-east-1", NO_SETTING, "did you mean dr_region?"),
    "unknown-dashes": bad("delete-after-days", 365, NO_SETTING, "mean delete_after_days?"),
    "unknown-camel-case": bad("lockMinDays", 30, NO_SETTING, "did you mean lock_min_days?"),
    "unknown-like-nothing": bad("xyzzy", 1, NO_SETTING, "use one of: backup, account,"),
    "unknown-empty": bad("", 1, NO_SETTING, "use one of: backup"),
    "compliance-changeable": bad("lock_changeable_for_days", 3, *COMPLIANCE),
    "compliance-aws-name": bad("ChangeableForDays", 3, *COMPLIANCE),
    "compliance-flag": bad("compliance", True, *COMPLIANCE),
    "compliance-mode": bad("lock_mode", "COMPLIANCE", *COMPLIANCE),
    "compliance-grace": bad("grace_time_days", 3, *COMPLIANCE),
    "compliance-immutable": bad("immutable_lock", True, *COMPLIANCE),
    # the command line
    "override-unknown-setting": wrong(
        "prod.kms_key",
        "365",
        NO_SETTING,
        "use one of: backup",
        a_context() | {"prod.kms_key": "365"},
    ),
    "override-with-dots": wrong(
        "prod.lock.min.days",
        "40",
        NO_SETTING,
        "did you mean lock_min_days?",
        a_context() | {"prod.lock.min.days": "40"},
    ),
    "override-with-a-space": wrong(
        "prod.region ",
        "us-east-1",
        NO_SETTING,
        "did you mean region?",
        a_context() | {"prod.region ": "us-east-1"},
    ),
    "override-bad-value": wrong("prod.backup", "1", *FLAG_RULE, a_context() | {"prod.backup": "1"}),
    "override-compliance": wrong(
        "prod.compliance_mode", "true", *COMPLIANCE, a_context() | {"prod.compliance_mode": "true"}
    ),
    "override-unknown-environment": wrong(
        "prd.backup",
        "true",
        "prd is not an environment",
        "did you mean prod?",
        a_context() | {"prd.backup": "true"},
    ),
    "environment-unknown": wrong(
        "environment",
        "prd",
        "must name one of the environments",
        "did you mean prod?",
        a_context() | {"environment": "prd"},
    ),
    "environment-unlike-any": wrong(
        "environment",
        "qa",
        "must name one of the environments",
        "use one of: prod",
        a_context() | {"environment": "qa"},
    ),
    "environment-a-list": wrong(
        "environment",
        ["prod"],
        "must name one of the environments",
        "prod",
        a_context() | {"environment": ["prod"]},
    ),
    "environment-empty": wrong(
        "environment",
        "",
        "must name one of the environments",
        "use one of: prod",
        a_context() | {"environment": ""},
    ),
    # the air-gapped vault
    "air-gapped-a-word": bad("air_gapped", "yes", *FLAG_RULE),
    "air-gapped-in-a-third-region": bad(
        "air_gapped_region", "us-east-1", 'it must be "primary" or "dr"', 'write "primary" or "dr"'
    ),
    "air-gapped-in-a-region-without": bad(
        "air_gapped_region",
        "dr",
        "no logically air-gapped vaults in ca-west-1",
        "choose the other region",
        air_gapped=True,
        dr_region="ca-west-1",
    ),
    "air-gapped-min-six-days": bad("air_gapped_min_days", 6, *AIR_GAPPED_RULE),
    "air-gapped-max-six-days": bad("air_gapped_max_days", 6, *AIR_GAPPED_RULE),
    "air-gapped-delete-a-word": bad("air_gapped_delete_after_days", "never", *AIR_GAPPED_RULE),
    "air-gapped-min-above-max": bad(
        "air_gapped_min_days",
        31,
        "not be more than air_gapped_max_days (30)",
        "raise air_gapped_max_days",
    ),
    "air-gapped-deleted-too-early": bad(
        "air_gapped_delete_after_days", 13, *AIR_GAPPED_LIMITS, air_gapped_min_days=14
    ),
    "air-gapped-deleted-too-late": bad("air_gapped_delete_after_days", 31, *AIR_GAPPED_LIMITS),
    "air-gapped-shared-with-a-name": bad(
        "air_gapped_share_with", ["alice"], *ACCOUNT_RULE, air_gapped=True
    ),
    "air-gapped-shared-twice": bad(
        "air_gapped_share_with",
        ["210987654321", "210987654321"],
        "each must be listed once",
        "210987654321",
        air_gapped=True,
    ),
    "air-gapped-shared-with-itself": bad(
        "air_gapped_share_with",
        ["123456789012"],
        "the environment's own account",
        "list another account",
        air_gapped=True,
    ),
    "air-gapped-shared-without-a-vault": bad(
        "air_gapped_share_with",
        ["210987654321"],
        "nothing to share: air_gapped is false",
        "set air_gapped to true",
    ),
    # the environments themselves
    "environments-missing": wrong(
        "environments", "not set", "settings of each environment by name", "cdk.json", {}
    ),
    "environments-empty": wrong(
        "environments", {}, "settings of each environment", "cdk.json", {"environments": {}}
    ),
    "environments-a-list": wrong(
        "environments",
        ["prod"],
        "settings of each environment",
        "cdk.json",
        {"environments": ["prod"]},
    ),
    "environment-name-upper-case": wrong(
        "environments.Prod", "Prod", *NAME_RULE, {"environments": {"Prod": {}}}
    ),
    "environment-name-digit-first": wrong(
        "environments.1st", "1st", *NAME_RULE, {"environments": {"1st": {}}}
    ),
    "environment-name-with-a-slash": wrong(
        "environments.a/b", "a/b", *NAME_RULE, {"environments": {"a/b": {}}}
    ),
    "environment-name-with-33-letters": wrong(
        "environments." + "a" * 33, "a" * 33, *NAME_RULE, {"environments": {"a" * 33: {}}}
    ),
    "environment-not-an-object": wrong(
        "environments.prod",
        True,
        "an environment must be an object of settings",
        '{"backup": false}',
        {"environments": {"prod": True}},
    ),
    "accounts-shared": wrong(
        "stage.account",
        ACCOUNT,
        "prod is in this one",
        "an account of its own",
        {"environments": {"prod": settings(account=ACCOUNT), "stage": settings(account=ACCOUNT)}},
    ),
}

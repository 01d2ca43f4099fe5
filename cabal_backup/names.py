"""What things are called, in Cabal and in the backup that protects it.

The names of the backup are the ones an existing Cabal deployment already has, to
the letter, so that its vaults and a year of recovery points can be adopted rather
than replaced. Both halves of the project, what is deployed and what is operated,
take them from here.
"""

VAULT = "cabal-backup"
"""The backup vault in the primary region."""

DR_VAULT = "cabal-backup-dr"
"""The backup vault in the DR region, where every recovery point is copied."""

AIR_GAPPED_VAULT = "cabal-backup-air-gapped"
"""The logically air-gapped vault, if there is one, and the resource share that shares it."""

ROLE = "cabal-backup-role"
"""The IAM role AWS Backup assumes to back up, copy, restore and expire."""

SERVICE_LINKED_ROLE = "AWSServiceRoleForBackup"
"""AWS Backup's own role, with which it removes expired recovery points.

https://docs.aws.amazon.com/aws-backup/latest/devguide/using-service-linked-roles.html
"""

COPY_TARGETS_POLICY = "cabal-backup-copy-targets"
"""The inline policy of the role: which vaults it may copy into."""

PLAN = "cabal-backup-plan"
RULE = "cabal-backup-plan-rule"
SELECTION = "cabal-backup"
"""How the name of the plan's selection begins; a digest of what it selects follows."""

ROLE_CHECK = "cabal-backup-role-check"
"""A selection that exists only while a deployment checks that AWS Backup can use the role."""

STACK = "cabal-backup"
"""The CloudFormation stack in the primary region."""

DR_STACK = "cabal-backup-dr"
"""The CloudFormation stack in the DR region."""

ACCESS_STACK = "cabal-backup-access"
"""The CloudFormation stack of the access policies, in the DR region, where it is wanted."""

TOPIC = "cabal-backup-alerts"
"""The SNS topic, in each of the two regions, that the operator is subscribed to."""

QUEUE = "cabal-backup-alerts"
DEAD_LETTERS = "cabal-backup-alerts-dead-letters"
"""The SQS queue of urgent events, in each of the two regions, and its dead-letter queue."""

INCIDENTS = "/cabal-backup/incidents"
"""The SSM parameter, in each of the two regions, that holds what was reported lately."""

NOTIFY = "cabal-backup-notify"
"""The Lambda function, in each of the two regions, that reports urgent events."""

WATCH = "cabal-backup-watch"
"""The Lambda function, in each of the two regions, that judges the environment every day; its
EventBridge rule; and, in the primary region, the CloudWatch alarm on it."""

WATCH_RECORD = "/cabal-backup/watch"
"""The SSM parameter, in each of the two regions, that says when the watch ran last."""

RULE_JOBS = "cabal-backup-jobs"
RULE_CHANGES = "cabal-backup-changes"
RULE_CALLS = "cabal-backup-calls"
RULE_MONITORING = "cabal-backup-monitoring"
RULE_ELSEWHERE = "cabal-backup-monitoring-elsewhere"
"""The EventBridge rules, in each of the two regions, whose patterns are in `urgent`."""

EVENT_SOURCE = "cabal-backup"
"""The source of the events that our own handlers put on the default event bus."""

RESTORE_TEST_EVENT = "Restore Test Validated"
"""The detail-type of the event that says how a restore test ended."""

RESTORE_TESTING_PLAN = "cabal_backup_restore_testing"
"""The restore testing plan; AWS allows letters, digits and underscores."""

DR_TABLE_TESTING_PLAN = "cabal_backup_dr_table"
DR_MAILSTORE_TESTING_PLAN = "cabal_backup_dr_mailstore"
"""The restore testing plans of the copies, in the DR region."""

AUDITOR_POLICY = "cabal-backup-auditor"
OPERATOR_POLICY = "cabal-backup-operator"
BREAK_GLASS_POLICY = "cabal-backup-break-glass"
ACCESS_POLICIES = (AUDITOR_POLICY, OPERATOR_POLICY, BREAK_GLASS_POLICY)

TABLES = "cabal-"
"""How the names of Cabal's tables begin."""

SCRATCH_TABLE = "-*-20??????-??????*"
"""What follows a live table's name in that of a table the tool makes, as IAM matches it.

Such as `cabal-addresses-restored-20260101-000000`: a word, a moment, and what may follow it.
"""

ENVIRONMENT_TAG = "environment"
ACCOUNT_TAG = "account"
"""Tags of the vaults and the role that record which environment they belong to, and where."""

MANAGED_BY_TAG = "managed_by"
MANAGED_BY = "cabal_backup"
"""The tag of everything that our stacks manage, also of what they retain when deleted."""

TERRAFORM_TAG = "managed_by_terraform"
"""A tag that every live table of Cabal has, and none that has just been restored."""

SCHEDULE = "cron(0 0 * * ? *)"
"""Every night at 00:00 UTC, in the six fields of an AWS cron expression."""

START_WINDOW_MINUTES = 480
"""How long after SCHEDULE AWS Backup may start a job; one that has not started is EXPIRED then.

One backup or copy job runs for a resource at a time, so a long copy keeps the next night waiting.

https://docs.aws.amazon.com/aws-backup/latest/devguide/plan-options-and-configuration.html
"""

COMPLETION_WINDOW_MINUTES = 10_080
"""How long after SCHEDULE a job may run; one that has not completed is EXPIRED then."""

RESTORE_TEST_ALGORITHM = "LATEST_WITHIN_WINDOW"
RESTORE_TEST_WINDOW_DAYS = 7
"""How old the newest recovery point may be to be tested, in days."""

RESTORE_TEST_START_WINDOW_HOURS = 8
"""How late a restore test may start, as with the nights."""

RESTORE_TEST_VALIDATION_HOURS = 24
"""How long a restored resource waits for a verdict; EFS alone takes hours to know a size."""

ADDRESSES_TABLE = "cabal-addresses"
"""The one table in the backup plan: without it mail stops routing."""

PITR_TABLES = (
    "cabal-counter",
    "cabal-user-preferences",
    "cabal-user-domain-access",
    "cabal-dmarc-reports",
)
"""Tables outside the plan, whose recovery path is point-in-time recovery."""

PITR_DAYS = 35
"""How many days back point-in-time recovery reaches, unless a table has fewer.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoverySpecification.html
"""

COUNTER_TABLE = "cabal-counter"
"""The table that hands out OS uids. If it went backwards, two users would share one."""

COUNTER_ATTRIBUTE = "osid"
"""The attribute of COUNTER_TABLE's item that must never become smaller."""

ADDRESS_CHANGED_TOPIC = "cabal-address-changed"
"""The SNS topic that makes the mail tiers rebuild their maps."""

ADDRESS_CHANGED_EVENT = "address_changed"
"""What a message on ADDRESS_CHANGED_TOPIC says happened."""

CLUSTER = "cabal-mail"
"""The ECS cluster of the mail tiers."""

SMTP_IN = "cabal-smtp-in"
SERVICES = ("cabal-imap", SMTP_IN, "cabal-smtp-out")
"""The ECS services of the mail tiers."""

MAILSTORE = "cabal-efs"
"""The mailstore's tag Name."""

DRILL_TABLE = "-drill-"
"""What stands after a table's name in the names of the tables that a drill makes."""

DRILL = "cabal-drill-"
"""How the creation token of a drill's restore begins, and the name of its scratch directory."""

DRILL_TAG = "cabal-backup-drill"
"""The tag of the tables that a drill made; its value is the drill's id."""

DRILL_MARKER = ".cabal-backup-drill"
"""The file in a drill's scratch directory that says whose it is."""

COPY_BACK_TABLE = "-copy-back-"
"""What stands after a table's name in the name of the table that a cold copy-back restores."""

COPY_BACK = "cabal-copy-back-"
"""How the creation token of the file system begins that a cold copy-back restores."""

NIGHT_TAG = "cabal-backup:night"
RESOURCE_TAG = "cabal-backup:resource"
ORIGINAL_TAG = "cabal-backup:original"
"""Tags of a recovery point that brings a cold one back: when that one was taken, of what it is,
and its ARN."""

PRODUCTION = "prod"
"""The environment that is drilled, and whose recovery points are deleted, only on extra request."""

DYNAMODB = "DynamoDB"
EFS = "EFS"
RESOURCE_KINDS = {DYNAMODB: "table", EFS: "mailstore"}
"""AWS Backup's types of what is protected, and what each is here.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ProtectedResource.html
"""

"""What happens between calls: jobs, plans on their schedules, the lifecycle of recovery points."""

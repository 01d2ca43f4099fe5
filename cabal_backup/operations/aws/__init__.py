"""AWS, as the operations see it: the only place that talks to AWS Backup."""

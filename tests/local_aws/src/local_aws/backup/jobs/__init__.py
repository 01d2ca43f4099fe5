"""What happens between the calls: jobs, plans on their schedule, recovery points that age."""

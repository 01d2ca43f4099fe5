"""What an operator does: each capability looks, plans and executes; none prints or asks."""

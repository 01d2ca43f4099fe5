"""Is it really protected? One look at everything, then checks on what was seen."""

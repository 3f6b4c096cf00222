"""What changed: Snapshot × Snapshot × budgets → Comparison; pure functions of records."""

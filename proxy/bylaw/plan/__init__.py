"""From the operator's files to a plan that runs: source, typed, config; policy, merge, compile, run."""

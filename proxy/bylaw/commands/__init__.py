"""The sub-commands of `bylaw`, one module each."""

"""The stages of the corridor, one file each, in the order of `bylaw.serve`."""

"""The two ports: the data plane that clients talk to, and the control plane for operators."""

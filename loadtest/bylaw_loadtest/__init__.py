"""Load tests and the scripted model server: a black box that imports nothing of the proxy it measures."""

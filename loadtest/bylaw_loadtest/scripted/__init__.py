"""The scripted model server: what it answers is data (`Script`), never a matter of chance."""

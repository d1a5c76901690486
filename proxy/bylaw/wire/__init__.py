"""Sans-io grammars: JSON, SSE, content codings, and one codec for each dialect.

Law of this room: bytes and values in, bytes and values out. No event loop, no clock, no files, no sockets;
standard library only, with the one exception that `coding` states.
"""

"""The ledger: what happened to each exchange, appended, hash-linked, durable before it is answered.

Law of this room: one writer process a host owns the files; nobody else writes them. An entry that was
acknowledged survives whatever process dies at whatever moment, and power loss as far as the mode says.

| mode | an append resolves | survives |
|---|---|---|
| `strict`, `final` | after `fdatasync` | kill, OS crash, power loss (on a disk that honours a flush) |
| `async` | at once | once written, any kill; power loss takes at most the last 50 ms |

The path of an entry: `client` -> `protocol` -> `connection` -> `hub` -> `writer` -> `wal` -> `disk`; the
way back is `recovery` at start, `reader` for people, `verify` for those who doubt.
"""

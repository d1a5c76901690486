"""A writer of small MaxMind databases, so that tests need nobody's data.

Follows the MaxMind DB file format specification, version 2.0: a binary search tree with records of 32 bits,
16 zero bytes, the data section, the metadata marker and the metadata map. Networks must not overlap.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
STRING, UINT16, UINT32, MAP, UINT64, ARRAY, BOOLEAN = 2, 5, 6, 7, 9, 11, 14

Tree = list[Any]


def write_mmdb(path: Path, networks: dict[str, Any], kind: str = "Test-City", ip_version: int = 6) -> Path:
    """Write a database.

    Args:
        path: where to.
        networks: record by network in CIDR notation; IPv4 goes below `::/96` as the specification asks.
        kind: `database_type` of the metadata.
        ip_version: 4 or 6.
    """
    data = b""
    root: Tree = [None, None]
    for network, record in networks.items():
        _insert(root, _bits(network, ip_version), len(data))
        data += encode(record)
    nodes = _number(root)
    tree = b"".join(_records(node, nodes) for node in nodes.values())
    path.write_bytes(tree + bytes(16) + data + MARKER + encode(_metadata(len(nodes), kind, ip_version)))
    return path


def encode(value: Any) -> bytes:
    """One field of the data section."""
    if isinstance(value, str):
        return _control(STRING, len(value.encode())) + value.encode()
    if isinstance(value, bool):
        return _control(BOOLEAN, int(value))
    if isinstance(value, tuple):
        kind, number = value
        raw = number.to_bytes(8, "big").lstrip(b"\0")
        return _control(kind, len(raw)) + raw
    if isinstance(value, dict):
        return _control(MAP, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())
    return _control(ARRAY, len(value)) + b"".join(map(encode, value))


def _control(kind: int, size: int) -> bytes:
    assert size < 29 + 256
    short, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind > 7:
        return bytes([short, kind - 7]) + more
    return bytes([kind << 5 | short]) + more


def _metadata(nodes: int, kind: str, ip_version: int) -> dict[str, Any]:
    return {
        "node_count": (UINT32, nodes),
        "record_size": (UINT16, 32),
        "ip_version": (UINT16, ip_version),
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": (UINT16, 2),
        "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, 1_700_000_000),
        "description": {"en": "test"},
    }


def _bits(network: str, ip_version: int) -> str:
    parsed = ipaddress.ip_network(network)
    whole = format(int(parsed.network_address), f"0{parsed.max_prefixlen}b")[: parsed.prefixlen]
    return "0" * 96 + whole if parsed.version == 4 and ip_version == 6 else whole


def _insert(root: Tree, bits: str, offset: int) -> None:
    node = root
    for bit in map(int, bits[:-1]):
        if node[bit] is None:
            node[bit] = [None, None]
        node = node[bit]
    node[int(bits[-1])] = offset


def _number(root: Tree) -> dict[int, Tree]:
    """All nodes in the order of their numbers."""
    nodes: dict[int, Tree] = {}
    waiting = [root]
    for node in waiting:
        nodes[id(node)] = node
        waiting.extend(child for child in node if isinstance(child, list))
    return nodes


def _records(node: Tree, nodes: dict[int, Tree]) -> bytes:
    numbers = {identity: number for number, identity in enumerate(nodes)}

    def record(child: Any) -> int:
        if child is None:
            return len(nodes)
        return numbers[id(child)] if isinstance(child, list) else len(nodes) + 16 + child

    return struct.pack(">II", record(node[0]), record(node[1]))

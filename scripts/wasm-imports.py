#!/usr/bin/env python3
"""Prints what a WebAssembly module imports, one `module.name` a line, sorted. Usage: wasm-imports.py MODULE.wasm"""
import sys


def leb128(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def name(data, at):
    length, at = leb128(data, at)
    return data[at : at + length].decode(), at + length


def limits(data, at):
    flags, at = leb128(data, at)
    _, at = leb128(data, at)
    return leb128(data, at)[1] if flags & 1 else at


def imports(data):
    assert data[:8] == b"\0asm\1\0\0\0", "not a WebAssembly module"
    at = 8
    while at < len(data):
        section = data[at]
        size, at = leb128(data, at + 1)
        if section == 2:
            count, here = leb128(data, at)
            for _ in range(count):
                module, here = name(data, here)
                field, here = name(data, here)
                kind, here = data[here], here + 1
                if kind == 0:
                    _, here = leb128(data, here)
                elif kind == 1:
                    here = limits(data, here + 1)
                elif kind == 2:
                    here = limits(data, here)
                else:
                    here += 2
                yield f"{module}.{field}"
        at += size


with open(sys.argv[1], "rb") as file:
    print("\n".join(sorted(imports(file.read()))))

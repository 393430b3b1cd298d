"""Bytes of a TensorBoard event file, from the format's definition, apart from the TypeScript writer: prints hex."""
import struct

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF

assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value

def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF

def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))

def varint(value):
    out = b""
    while True:
        value, low = value >> 7, value & 127
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out

def bytes_field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data

def int_field(number, value):
    return varint(number << 3) + varint(value)

time = varint(1 << 3 | 1) + struct.pack("<d", 1234.5)
version = time + bytes_field(3, b"brain.Event:2")
start = time + int_field(2, 301) + bytes_field(7, int_field(1, 1))
value = bytes_field(1, b"test_pgd_acc") + varint(2 << 3 | 5) + struct.pack("<f", 0.375)
scalar = time + int_field(2, 300) + bytes_field(5, bytes_field(1, value))
print((record(version) + record(start) + record(scalar)).hex())

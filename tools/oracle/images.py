"""Images: what Pillow decodes, resizes and enhances, and what torchvision cuts, as checksums.

The pictures that are transformed are computed on both sides from their size and a seed (`picture`); files to decode are in the
fixture, as base64. Bytes are compared in the order red plane, green plane, blue plane.

    apt-get install libjpeg-turbo-progs    # cjpeg, for samplings that Pillow does not write
    python3 -m venv V && V/bin/pip install torchvision==0.28.0 pillow==12.3.0 numpy
    V/bin/python tools/oracle/images.py
"""
import base64
import io
import json
import random
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import PIL
import torchvision
from PIL import Image, ImageFile, features
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode, RandomResizedCrop

FIXTURE = Path(__file__).resolve().parents[2] / "packages/robustness/test/fixtures/images.json"
MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def picture(width, height, seed):
    """Slopes with sharp edges and a little noise; the test has the same function."""
    c, y, x = np.meshgrid(*[np.arange(n, dtype=np.uint32) for n in (3, height, width)], indexing="ij")
    hashed = (x * np.uint32(0x9E3779B1)) ^ (y * np.uint32(0x85EBCA77)) ^ (c * np.uint32(0xC2B2AE3D)) ^ np.uint32(seed * 0x27D4EB2F % 2**32)
    hashed = (hashed ^ (hashed >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    slope = x * np.uint32(seed % 7 + 1) + y * np.uint32(seed % 5 + 1) + c * np.uint32(seed % 3 * 60)
    values = ((slope + (hashed >> np.uint32(28))) & np.uint32(255)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(values.transpose(1, 2, 0)), "RGB")


def checksum(image):
    assert image.mode == "RGB", image.mode
    return zlib.crc32(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)).tobytes())


def transforms():
    """Each row: size of the picture, its seed, what is done, the checksum; the size of the result where it is not asked for."""
    draw = random.Random(1)
    extent = lambda most: draw.choice([1, 2, 3, draw.randint(4, 40), draw.randint(4, most), draw.randint(4, most)])
    rows = {name: [] for name in ("resample", "shorter", "box", "center", "fallback", "adjust", "flip")}
    for seed in range(240):
        w, h, W, H = extent(180), extent(180), extent(150), extent(150)
        name = draw.choice(list(MODES))
        filter = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[name]
        rows["resample"].append([w, h, seed, W, H, name, checksum(picture(w, h, seed).resize((W, H), filter))])
    for seed in range(40):
        w, h, size, name = draw.randint(2, 150), draw.randint(2, 150), draw.randint(1, 90), draw.choice(list(MODES))
        image = F.resize(picture(w, h, seed), size, MODES[name])
        rows["shorter"].append([w, h, seed, size, name, *image.size, checksum(image)])
    for seed in range(80):
        w, h, size, name = draw.randint(2, 150), draw.randint(2, 150), draw.randint(1, 80), draw.choice(list(MODES))
        height, width = draw.randint(1, h), draw.randint(1, w)
        top, left = draw.randint(0, h - height), draw.randint(0, w - width)
        image = F.resized_crop(picture(w, h, seed), top, left, height, width, [size, size], MODES[name])
        rows["box"].append([w, h, seed, top, left, height, width, size, name, checksum(image)])
    for seed in range(80):
        w, h, size = draw.randint(1, 90), draw.randint(1, 90), draw.randint(1, 90)
        rows["center"].append([w, h, seed, size, checksum(F.center_crop(picture(w, h, seed), size))])
    for seed in range(40):
        # No rectangle of more than the whole area fits, so the ten tries fail.
        w, h = draw.randint(1, 90) * draw.choice([1, 4]), draw.randint(2, 90) * draw.choice([1, 4])
        box = RandomResizedCrop.get_params(picture(w, h, seed), (1.9, 2.0), (3 / 4, 4 / 3))
        rows["fallback"].append([w, h, *box])
    adjusts = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation, "hue": F.adjust_hue}
    for seed in range(80):
        name = list(adjusts)[seed % 4]
        w, h = draw.randint(1, 64), draw.randint(1, 64)
        factor = draw.choice([-0.5, 0.5, 0, draw.uniform(-0.5, 0.5), draw.uniform(-0.5, 0.5)]) if name == "hue" else draw.choice([0, 1, 2, draw.uniform(0, 1), draw.uniform(1, 3)])
        rows["adjust"].append([w, h, seed, name, factor, checksum(adjusts[name](picture(w, h, seed), factor))])
    for seed in range(10):
        w, h = draw.randint(1, 64), draw.randint(1, 64)
        rows["flip"].append([w, h, seed, checksum(F.hflip(picture(w, h, seed)))])
    return rows


def encoded(image, **options):
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


def cjpeg(image, *arguments):
    stream = encoded(image, format="PPM")
    return subprocess.run(["cjpeg", *arguments], input=stream, capture_output=True, check=True).stdout


def jpegs():
    files = {}
    for seed, (w, h) in enumerate([(1, 1), (2, 3), (3, 2), (8, 8), (17, 33), (40, 23), (64, 64)]):
        for subsampling in range(3):
            files[f"{w}x{h}-{['444', '422', '420'][subsampling]}.jpg"] = encoded(
                picture(w, h, seed), format="JPEG", quality=[95, 75, 30][(seed + subsampling) % 3], subsampling=subsampling, optimize=seed % 2 == 1)
            if w > 8:
                files[f"{w}x{h}-{['444', '422', '420'][subsampling]}-progressive.jpg"] = encoded(
                    picture(w, h, seed), format="JPEG", quality=[95, 75, 30][seed % 3], subsampling=subsampling, progressive=True)
    odd = picture(45, 31, 9)
    for sampling in ("1x2", "4x1", "4x2", "1x4", "2x2,1x1,2x1", "2x1,1x1,2x1", "2x2,1x2,1x1"):
        files[f"sampled-{sampling}.jpg"] = cjpeg(odd, "-quality", "80", "-sample", sampling)
    files["restart.jpg"] = encoded(odd, format="JPEG", restart_marker_blocks=2)
    files["restart-progressive.jpg"] = encoded(odd, format="JPEG", restart_marker_blocks=1, progressive=True)
    files["gray.jpg"] = encoded(odd.convert("L"), format="JPEG")
    files["gray-progressive.jpg"] = encoded(odd.convert("L"), format="JPEG", progressive=True)
    files["rgb.jpg"] = encoded(odd, format="JPEG", keep_rgb=True)
    files["cmyk.jpg"] = encoded(odd.convert("CMYK"), format="JPEG")
    ycck = bytearray(files["cmyk.jpg"])
    ycck[ycck.index(b"Adobe") + 11] = 2
    files["ycck.jpg"] = bytes(ycck)
    files["no-jfif.jpg"] = (lambda b: b[:2] + b[20:])(encoded(odd, format="JPEG"))
    exif = Image.Exif()
    exif[0x0112] = 6
    files["rotated.jpg"] = encoded(odd, format="JPEG", exif=exif)
    files["trailing.jpg"] = encoded(odd, format="JPEG") + b"more"
    files["fill.jpg"] = encoded(odd, format="JPEG").replace(b"\xff\xda", b"\xff\xff\xff\xda")
    files["extraneous.jpg"] = encoded(odd, format="JPEG")[:-2] + b"\x12\x34\x56\xff\xd9"
    files["cut.jpg"] = encoded(odd, format="JPEG")[:-40]
    files["no-end.jpg"] = encoded(odd, format="JPEG")[:-2]
    files["cut-header.jpg"] = encoded(odd, format="JPEG")[:100]
    files["png-inside.jpg"] = encoded(odd, format="PNG")
    files["gif-inside.jpg"] = encoded(odd.convert("P"), format="GIF")
    return files


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(width, height, depth, color, seed, interlaced=False, palette=None, extra=(), end=True, lie=None):
    """Any kind of PNG, with a random filter for each row."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    values = np.random.RandomState(seed).randint(0, len(palette) // 3 if palette else 2**depth, (height, width, channels))
    values = np.sort(values, axis=1) if seed % 2 else values
    draw, raw = random.Random(seed), b""
    for left, top, across, down in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = values[top::down, left::across]
        if part.size == 0:
            continue
        above, step = None, max(1, channels * depth // 8)
        for row in part.reshape(part.shape[0], -1):
            if depth == 16:
                line = row.astype(">u2").tobytes()
            elif depth == 8:
                line = row.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(v, f"0{depth}b") for v in row)
                line = bytes(int(bits[i:i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8))
            above = above or bytes(len(line))
            kind = draw.randrange(5)
            out = bytearray([kind])
            for i, value in enumerate(line):
                a, b, c = (line[i - step] if i >= step else 0), above[i], (above[i - step] if i >= step else 0)
                nearest = min((a, b, c), key=lambda n: abs(a + b - c - n))
                out.append((value - [0, a, b, (a + b) // 2, nearest][kind]) % 256)
            raw += bytes(out)
            above = line
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    packed = zlib.compress(raw)
    w, h = lie or (width, height)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, int(interlaced)))]
    if palette:
        parts.append(chunk(b"PLTE", palette))
    parts += [chunk(name, data) for name, data in extra]
    parts += [chunk(b"IDAT", packed[:50]), chunk(b"IDAT", packed[50:])]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + (chunk(b"IEND", b"") if end else b"")


def pngs():
    files, seed = {}, 0
    for color, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            for interlaced in (False, True):
                palette = bytes(random.Random(seed).randrange(256) for _ in range(3 * min(2**depth, 60))) if color == 3 else None
                files[f"type{color}-{depth}{'-interlaced' if interlaced else ''}.png"] = png(13, 11, depth, color, seed, interlaced, palette)
                seed += 1
    files["thin-interlaced.png"] = png(1, 5, 8, 2, 90, True)
    files["small-interlaced.png"] = png(3, 2, 4, 0, 91, True)
    files["transparent-rgb.png"] = png(9, 7, 8, 2, 92, extra=[(b"tRNS", bytes(6))])
    files["transparent-palette.png"] = png(9, 7, 8, 3, 93, palette=bytes(range(90)), extra=[(b"tRNS", bytes(30))])
    # A palette of 2 colours, of which the pixels name 16.
    short = bytearray(png(9, 7, 4, 3, 94, palette=bytes(range(48))))
    at = short.index(b"PLTE")
    files["short-palette.png"] = bytes(short[:at - 4]) + struct.pack(">I", 6) + b"PLTE" + bytes(range(6)) + struct.pack(">I", zlib.crc32(b"PLTE" + bytes(range(6)))) + bytes(short[at + 4 + 48 + 4:])
    files["cut.png"] = png(40, 40, 8, 2, 95)[:-200]
    files["too-few-rows.png"] = png(9, 7, 8, 2, 96, lie=(9, 8))
    files["jpeg-inside.png"] = encoded(picture(20, 20, 3), format="JPEG")
    return files


def webps():
    odd = picture(45, 31, 9)
    alpha = odd.convert("RGBA")
    alpha.putalpha(picture(45, 31, 4).convert("L"))
    files = {
        "lossy.webp": encoded(odd, format="WEBP", quality=60),
        "lossless.webp": encoded(odd, format="WEBP", lossless=True),
        "alpha.webp": encoded(alpha, format="WEBP", quality=80),
        "alpha-lossless.webp": encoded(alpha, format="WEBP", lossless=True, exact=True),
        "one.webp": encoded(picture(1, 1, 1), format="WEBP"),
    }
    files["cut.webp"] = files["lossy.webp"][:-60]
    return files


def decoded():
    """Each file as base64; width, height and checksum of what Pillow makes of it, or null where it refuses."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    rows = {}
    for name, data in {**jpegs(), **pngs(), **webps()}.items():
        try:
            image = Image.open(io.BytesIO(data)).convert("RGB")
            found = [*image.size, checksum(image)]
        except Exception as error:
            print(f"{name}: {error}")
            found = None
        rows[name] = {"file": base64.b64encode(data).decode(), "image": found}
    return rows


def arrays():
    """Small arrays as numpy.savez writes them, compressed and not."""
    random_bytes = np.random.RandomState(5).randint(0, 256, (6, 5, 4, 3), dtype=np.uint8)
    content = {"x_train": random_bytes, "y_train": np.array([[2], [0], [1], [2], [1], [0]]), "x_test": random_bytes[:2], "y_test": np.array([1, 0], np.uint8)}
    np.savez(FIXTURE.with_name("arrays.npz"), **content)
    np.savez_compressed(FIXTURE.with_name("arrays-compressed.npz"), **content)
    return zlib.crc32(np.ascontiguousarray(random_bytes.transpose(0, 3, 1, 2)).tobytes())


if __name__ == "__main__":
    made_with = f"Pillow {PIL.__version__} with libjpeg-turbo {features.version('libjpeg_turbo')}, torchvision {torchvision.__version__}"
    content = {"made with": made_with, "transforms": transforms(), "files": decoded()}
    lines = ["{", f' "made with": {json.dumps(made_with)},', ' "transforms": {']
    lines.append(",\n".join(f'  "{name}": [\n' + ",\n".join(f"   {json.dumps(row)}" for row in rows) + "\n  ]" for name, rows in content["transforms"].items()))
    lines += [" },", ' "files": {', ",\n".join(f'  "{name}": {json.dumps(row)}' for name, row in content["files"].items()), " }", "}", ""]
    FIXTURE.write_text("\n".join(lines))
    print(f"checksum of x_train in arrays.npz, planes first: {arrays()}")
    print(f"{FIXTURE}: {FIXTURE.stat().st_size:,} bytes; {made_with}")

"""The bytes of a package's picture to a photo of the campaign."""

import bz2
import io

from PIL import Image

from sample_campaign.records import Post, Source

LONG_SIDE_PX = 1080  # what the large platforms store
JPEG_QUALITY = 85
WEBP_QUALITY = 80
# ImageDescription, Artist, Copyright: credit and notices stay with the file, as its author put them there.
CREDIT_TAGS = (0x010E, 0x013B, 0x8298)
ORIENTATION_TAG = 0x0112
# The stored picture is turned so that a viewer who applies the tag sees it upright (EXIF 2.32, table 4.6.4).
STORED_TURN = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270, 3: Image.Transpose.ROTATE_180}


def open_picture(data: bytes, source: Source) -> Image.Image:
    """Decode a picture to RGB."""
    if source.raw_size is not None:
        return Image.frombytes("RGB", source.raw_size, bz2.decompress(data))
    return Image.open(io.BytesIO(data)).convert("RGB")


def photo_bytes(post: Post, *, picture: Image.Image) -> bytes:
    """Crop, shrink, turn and encode a picture in the format of the post's file name."""
    image = picture.crop(_crop_px(post.crop, picture.size))
    image.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX), Image.Resampling.LANCZOS)
    if post.exif_orientation != 1:
        image = image.transpose(STORED_TURN[post.exif_orientation])
    buffer = io.BytesIO()
    exif = _exif(picture, orientation=post.exif_orientation)
    if post.path.endswith(".webp"):
        image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=6, exif=exif)
    else:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True, exif=exif)
    return buffer.getvalue()


def _crop_px(crop: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = crop
    width, height = size
    return round(left * width), round(top * height), round(right * width), round(bottom * height)


def _exif(picture: Image.Image, *, orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif.update({tag: value for tag, value in picture.getexif().items() if tag in CREDIT_TAGS})
    if orientation != 1:
        exif[ORIENTATION_TAG] = orientation
    return exif

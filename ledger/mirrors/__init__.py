"""Copies of a log as plain files, which any web server or object store can serve.

A mirror holds what the site would answer, under the same addresses. What never changes is written
once and never again; the checkpoint is written last, so that a mirror is always a whole one, of the
old tree or of the new. Nothing here renders anything or signs anything.
"""

from ledger.mirrors.bucket import Bucket
from ledger.mirrors.cosigning import Cosigner
from ledger.mirrors.folder import Folder
from ledger.mirrors.pull import Pulled, pull
from ledger.mirrors.push import Mirrored, mirror
from ledger.mirrors.serving import MirrorServer
from ledger.mirrors.shapes import MirrorDiffers, MirrorFailed, MirrorRefused, Target
from ledger.mirrors.site import Page, Site
from ledger.mirrors.sources import files_at

__all__ = [
    "Bucket",
    "Cosigner",
    "Folder",
    "MirrorDiffers",
    "MirrorFailed",
    "MirrorRefused",
    "MirrorServer",
    "Mirrored",
    "Page",
    "Pulled",
    "Site",
    "Target",
    "files_at",
    "mirror",
    "pull",
]

"""The browser that speaks ASGI lies with the site's tests, the S3 server with the mirrors'."""

import sys
from pathlib import Path

for _room in ("web", "mirrors", "reader", "cli"):
    sys.path.insert(0, str(Path(__file__).parents[1] / _room))

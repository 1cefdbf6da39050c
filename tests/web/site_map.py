"""Every address that the site has about a world, for tests that look at all of them."""

from ledger_world import World

from web.i18n import LANGUAGES
from web.problems import KINDS


def languages() -> list[str]:
    """The tags of the site's languages."""
    return list(LANGUAGES)


def pages(world: World) -> list[str]:
    """Addresses of HTML pages, in every language."""
    return [f"/{tag}/{slug}" for tag in LANGUAGES for slug in _slugs(world)]


def _slugs(world: World) -> list[str]:
    size = world.reader.tree_size()
    jobs = [world.jobs[name] for name in list(world.jobs)[:8]]
    return [
        "",
        "jobs",
        "jobs?member=beta&workload=&state=failed",
        "jobs?limit=3",
        "embargo",
        "log",
        "log?from=3",
        f"log?from=3&to={size - 1}",
        "about",
        "docs/problems",
        *(f"docs/problems/{slug}" for slug in KINDS),
        *(f"jobs/{job}" for job in jobs),
        *(f"jobs/{job}/proof" for job in jobs),
        "entries",
        "entries?start=3",
        *(f"entries/{index}" for index in (0, 1, 2, size - 1)),
    ]


def answers(world: World) -> list[str]:
    """Addresses of JSON, of receipts and of feeds."""
    size = world.reader.tree_size()
    jobs = [world.jobs[name] for name in list(world.jobs)[:8]]
    return [
        "/api/v1/jobs",
        "/api/v1/jobs?limit=2&state=completed&count=none",
        "/api/v1/entries?limit=1000",
        "/api/v1/entries?start=5&limit=2",
        "/api/v1/checkpoint",
        "/api/v1/embargo",
        "/api/v1/members",
        f"/api/v1/consistency?from=1&to={size}",
        "/api/v1/consistency?from=7",
        "/feeds/published.json",
        *(f"/api/v1/jobs/{job}" for job in jobs),
        *(f"/api/v1/jobs/{job}/events" for job in jobs),
        *(f"/api/v1/jobs/{job}/proof" for job in jobs),
        *(f"/jobs/{job}.json" for job in jobs),
        *(f"/jobs/{job}{suffix}" for job in jobs for suffix in (".proof", ".csv", ".bib")),
        *(f"/jobs/{job}.csl.json" for job in jobs),
        *(f"/api/v1/entries/{index}" for index in (0, size - 1)),
        *(f"/api/v1/entries/{index}/proof" for index in (0, size - 1)),
        f"/api/v1/entries/3/proof?size={size - 1}",
        "/entries/3.json",
        "/entries/3.proof",
    ]


def files(world: World) -> list[str]:
    """Addresses of the log's own files."""
    size = world.reader.tree_size()
    full = [f"/log/tile/{level}/{n:03}" for level in ("0", "entries") for n in range(size // 256)]
    edge = f"{size // 256:03}.p/{size % 256}"
    return [
        "/log/checkpoint",
        "/log/vkey",
        *full,
        f"/log/tile/0/{edge}",
        f"/log/tile/entries/{edge}",
        f"/log/tile/1/000.p/{size // 256}",
    ]

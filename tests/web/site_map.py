"""Every address that the site has about a world, for tests that look at all of them."""

from ledger_world import World

from ledger.exports import export, sets
from ledger.reader.series import BY_PERIOD, NAMES
from web.i18n import LANGUAGES
from web.problems import KINDS
from web.telling import vocabulary
from web.words.library import LIBRARY


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
        "jobs?q=refusals",
        "jobs?q=canary&member=alpha&decision=admitted&from=2026-09-21&to=2026-12-31&limit=9",
        "jobs?accelerator=nvidia_h200&month=2026-12&code=R1_forbidden_workload",
        "embargo",
        "log",
        "verify",
        "log?from=3",
        f"log?from=3&to={size - 1}",
        *LIBRARY.documents,
        "members",
        *(f"members/{name}" for name in ("alpha", "beta", "orchestrator", "committee")),
        "workloads",
        "charter",
        "rejections",
        "rejections?code=R1_forbidden_workload",
        "rejections?code=Q_quota",
        "models",
        "models?limit=1",
        "artifacts",
        "artifacts?limit=1",
        *opened(world),
        "corrections",
        "data",
        "dictionary",
        "signals",
        "status",
        "statistics",
        *(f"statistics/{name}" for name in NAMES),
        "statistics/gpu-hours-by-member?by=month",
        "docs/api/reference",
        "docs/problems",
        *(f"docs/problems/{slug}" for slug in KINDS),
        *(f"jobs/{job}" for job in jobs),
        *(f"jobs/{job}/proof" for job in jobs),
        "entries",
        "entries?start=3",
        *(f"entries/{index}" for index in (0, 1, 2, size - 1)),
    ]


def opened(world: World) -> list[str]:
    """The slugs of models and artifacts that opened records name, a few of each."""
    with world.reader.at() as view:
        models = [f"models/sha256:{each.digest}" for each in view.models(limit=3)]
        return [*models, *(f"artifacts/sha256:{each.digest}" for each in view.artifacts(limit=3))]


def answers(world: World) -> list[str]:
    """Addresses of JSON, of receipts and of feeds."""
    size = world.reader.tree_size()
    jobs = [world.jobs[name] for name in list(world.jobs)[:8]]
    return [
        "/api/v1/jobs",
        "/api/v1/jobs?limit=2&state=completed&count=none",
        "/api/v1/entries?limit=1000",
        "/api/v1/entries?start=5&limit=2",
        "/api/v1/jobs?q=canary&month=2026-12&from=2026-12-01",
        "/api/v1/facets",
        "/api/v1/facets?q=canary&state=completed",
        "/jobs.csv",
        "/jobs.csv?bom=1&member=beta&q=canary",
        "/api/v1/checkpoint",
        "/api/v1/embargo",
        "/api/v1/members",
        "/api/v1/words",
        *(f"/api/v1/words/{slug}" for slug in LIBRARY.documents),
        f"/api/v1/consistency?from=1&to={size}",
        "/api/v1/consistency?from=7",
        *feeds(world),
        "/api/v1/members/alpha",
        "/members/alpha.json",
        "/api/v1/workloads",
        "/api/v1/charter",
        "/api/v1/charters",
        "/api/v1/charters?limit=1&count=none",
        "/api/v1/refusals",
        "/api/v1/findings?limit=1",
        "/api/v1/rejections",
        "/api/v1/rejections?code=R1_forbidden_workload&limit=1&count=none",
        "/api/v1/rejections/codes",
        "/api/v1/models?limit=1",
        "/api/v1/artifacts?limit=1",
        "/api/v1/corrections",
        "/api/v1/withheld",
        *(f"/api/v1/{thing}" for thing in opened(world)),
        *(f"/{thing}.json" for thing in opened(world)),
        "/api/v1/signals",
        "/api/v1/status",
        "/api/v1/stats",
        *(f"/api/v1/stats/{name}" for name in NAMES),
        *(f"/api/v1/stats/{name}?by=week" for name in sorted(BY_PERIOD)),
        *(f"/api/v1/stats/{name}.csv" for name in NAMES),
        *embeds(world),
        "/api/v1/openapi.json",
        "/schemas/index.json",
        "/schemas/job-shown.json",
        "/schemas/signed-statement.json",
        "/api/v1/jobs?fields=job_id,state&limit=3",
        "/api/v1/vocab",
        *(f"/api/v1/vocab/{name}" for name in (*vocabulary.NAMES, "fields")),
        "/robots.txt",
        "/.well-known/security.txt",
        "/sitemap.xml",
        "/sitemaps/pages.xml",
        "/sitemaps/jobs-0.xml",
        *(f"/opensearch.xml?lang={tag}" for tag in LANGUAGES),
        "/dictionary.csv?bom=1",
        *(f"/dictionary.csv?lang={tag}" for tag in LANGUAGES),
        *(f"/api/v1/jobs/{job}" for job in jobs),
        *(f"/api/v1/jobs/{job}/events" for job in jobs),
        *(f"/api/v1/jobs/{job}/proof" for job in jobs),
        f"/api/v1/jobs/{jobs[0]}/admission",
        f"/api/v1/jobs/{jobs[0]}/artifacts",
        *(f"/jobs/{job}.json" for job in jobs),
        *(f"/jobs/{job}{suffix}" for job in jobs for suffix in (".proof", ".csv", ".bib")),
        *(f"/jobs/{job}.csl.json" for job in jobs),
        *(f"/jobs/{job}{suffix}" for job in jobs for suffix in (".intoto.json", ".cdx.json")),
        *(f"/api/v1/entries/{index}" for index in (0, size - 1)),
        *(f"/api/v1/entries/{index}/proof" for index in (0, size - 1)),
        f"/api/v1/entries/3/proof?size={size - 1}",
        "/entries/3.json",
        "/entries/3.proof",
        "/entries/3.proof?cosigned=1",
        "/entries/1.dsse.json",
    ]


def embeds(world: World) -> list[str]:
    """Addresses that other sites frame, and of what tells them how."""
    jobs = [world.jobs[name] for name in list(world.jobs)[:4]]
    shown = [*(f"statistics/{name}" for name in NAMES), *(f"jobs/{job}" for job in jobs)]
    framed = [*NAMES, *(f"jobs/{job}" for job in jobs)]
    return [
        *(f"/embed/{tag}/{each}" for tag in LANGUAGES for each in framed),
        *(f"/oembed?url=https://ledger.example/zh-Hans/{each}" for each in shown),
        f"/oembed?url=https://ledger.example/{shown[0]}&format=xml&maxwidth=300&maxheight=200",
    ]


def feeds(world: World) -> list[str]:
    """Addresses of feeds, in both forms."""
    named = ["published", "submitted", "rejected", "findings", "overdue"]
    named += ["corrections", "checkpoints"]
    named += ["jobs", *(f"members/{name}" for name in ("alpha", "beta", "committee"))]
    size = world.reader.tree_size()
    return [
        *(f"/feeds/{name}{form}" for name in named for form in (".json", ".atom")),
        "/feeds/jobs.json?q=refusals&lang=zh-Hans",
        "/feeds/jobs.atom?member=alpha&state=completed&limit=2",
        "/feeds/submitted.json?since=5&limit=3",
        "/feeds/submitted.atom?since=5&limit=3&lang=zh-Hans",
        f"/feeds/published.atom?since={size}",
    ]


def bulk(world: World) -> list[str]:
    """Addresses of bulk files, which are made if there are none; the log stays as it is."""
    house = world.ledger
    if sets.latest(house.bulk_dir) is None:
        export(house.store, house.bulk_dir, public_url="https://ledger.example")
    listed = sets.index(house.bulk_dir)
    return ["/bulk/index.json", *(file.path for each in listed.sets for file in each.files)]


def probes() -> list[str]:
    """Addresses that speak of the process: they are of no tree and have no entity tag."""
    return ["/healthz", "/readyz"]


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

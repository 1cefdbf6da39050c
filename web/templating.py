"""The one Jinja environment: everything escaped, unknown names refused, strings translated."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.answers import LedgerState
from web import query
from web.doors import Asked, House
from web.figures import charts
from web.figures.embedding import oembed_address
from web.i18n import (
    DEFAULT,
    LANGUAGES,
    Language,
    gettext,
    language_of,
    ngettext,
    npgettext,
    pgettext,
    speaking,
)
from web.static_files import HERE, StaticFiles
from web.telling import amounts, formats, labels, plain, sentences, story, vocabulary, witnesses
from web.telling.sentences import called, calling

HTML: Final = "text/html"


class Pages:
    """Renders templates."""

    def __init__(self, static: StaticFiles) -> None:
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_callables(  # type: ignore[attr-defined] # the extension adds it
            gettext, ngettext, newstyle=True, pgettext=pgettext, npgettext=npgettext
        )
        environment.filters.update(
            amount=amounts.amount,
            bytes=formats.size,
            date=formats.date,
            duration=formats.duration,
            hours=formats.hours,
            json=formats.json_text,
            kind=labels.kind_label,
            label=labels.label,
            field_label=labels.field_label,
            field_meaning=labels.field_meaning,
            moment=formats.moment,
            number=formats.number,
            reading_order=story.reading_order,
            rule=labels.rule,
            prose=formats.prose,
            shortdate=formats.short_date,
            shortmoment=formats.short_moment,
            text=plain.shown,
            tick=formats.tick,
            tick_label=formats.tick_label,
            who=called,
            value=formats.value,
        )
        environment.tests["absent_from"] = lambda path, fields: fields.get(path) is None
        environment.globals.update(
            static=static.address,
            demonstration=False,
            source_language=DEFAULT,
            code_meaning=vocabulary.code_meaning,
            countdown=sentences.countdown,
            days=formats.days,
            hardware=formats.hardware,
            event_text=sentences.event_text,
            headline=sentences.headline,
            job_title=sentences.job_title,
            lateness=sentences.lateness,
            line=plain.shown_line,
            part_name=sentences.part_name,
            plan_status=sentences.plan_status,
            published_title=sentences.published_title,
            seal_status=sentences.seal_status,
            share=charts.share,
            contradicts=witnesses.contradicts,
            trouble=witnesses.trouble,
        )
        self._environment = environment

    def open(self, house: House) -> None:
        """Learn from the ledger's name whether it is a demonstration, for every page says so.

        ``.invalid`` (RFC 2606) belongs to nobody: what has such a name speaks of nothing real.
        """
        host = house.origin.partition("/")[0]
        self._environment.globals["demonstration"] = f".{host}".endswith(".invalid")

    def page(
        self,
        template: str,
        asked: Asked,
        state: LedgerState,
        *,
        names: Mapping[str, str],
        twin: str | None = None,
        tag: str | None = None,
        **context: Any,  # noqa: ANN401 - what the template names
    ) -> bytes:
        """One page about the ledger at ``state``.

        ``names`` is what its authors are called, ``twin`` the address of the same as JSON, ``tag``
        the language where the address does not begin with it.
        """
        tag = tag or language_of(asked.path) or DEFAULT
        with speaking(tag) as language, calling(names):
            html = self._environment.get_template(template).render(
                asked=asked,
                ledger=state,
                language=language,
                to=_linker(tag, asked),
                machine=_machine(asked),
                same=_same(asked),
                oembed=lambda form: oembed_address(
                    asked.public_url, asked.path, asked.params, form
                ),
                translations=_translations(asked.path, asked.params),
                switches=_switches(asked.path, asked.params),
                twin=_machine(asked)(twin) if twin else None,
                **context,
            )
        return html.encode()

    def problem(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        preferred: str,
        **context: Any,  # noqa: ANN401 - the same
    ) -> bytes:
        """The page of a problem: it needs no ledger.

        ``preferred`` is the tag of the language for an address that names none.
        """
        tag = language_of(path) or preferred
        with speaking(tag) as language:
            html = self._environment.get_template("problem.html").render(
                asked=None,
                ledger=None,
                language=language,
                to=_linker(tag, None),
                machine=_machine(None),
                twin=None,
                translations=(),
                switches=_switches(path, params),
                **context,
            )
        return html.encode()


def _linker(tag: str, asked: Asked | None) -> Callable[..., str]:
    def to(slug: str = "", **params: str | int | None) -> str:
        """The address of a page in the same language and as of the same size."""
        if asked is not None and asked.pinned:
            params.setdefault("at", asked.size)
        return query.address(f"/{tag}/{slug}", params)

    return to


def _same(asked: Asked) -> Callable[..., str]:
    def same(**changes: str | int | None) -> str:
        """The address of this very page, with ``changes`` to its parameters."""
        return query.address(asked.path, {**asked.params, **changes})

    return same


def _translations(path: str, params: Mapping[str, str]) -> list[tuple[Language, str]]:
    """This very page in every language that there is."""
    here = language_of(path)
    if here is None:
        return []
    rest = quote(path.removeprefix(f"/{here}"))
    return [(each, query.address(f"/{each.tag}{rest}", params)) for each in LANGUAGES.values()]


def _switches(path: str, params: Mapping[str, str]) -> list[tuple[Language, str]]:
    """The same in every other language."""
    here = language_of(path)
    return [pair for pair in _translations(path, params) if pair[0].tag != here]


def _machine(asked: Asked | None) -> Callable[..., str]:
    def machine(path: str, **params: str | int | None) -> str:
        """An address for machines, as of the same size where it can be."""
        if asked is not None and asked.pinned and not path.startswith(("/log/", "/feeds/")):
            params.setdefault("at", asked.size)
        return query.address(path, params)

    return machine

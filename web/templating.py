"""The one Jinja environment: everything escaped, unknown names refused, strings translated."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.answers import LedgerState
from web import charts, formats, labels, query, sentences
from web.doors import Asked
from web.i18n import LANGUAGES, gettext, language_of, ngettext, speaking
from web.sentences import called, calling
from web.static_files import HERE, StaticFiles

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
        environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined] # the extension adds it
        environment.filters.update(
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
            rule=labels.rule,
            prose=formats.prose,
            shortdate=formats.short_date,
            shortmoment=formats.short_moment,
            tick=formats.tick,
            who=called,
            value=formats.value,
        )
        environment.tests["absent_from"] = lambda path, fields: fields.get(path) is None
        environment.globals.update(
            static=static.address,
            languages=LANGUAGES,
            countdown=sentences.countdown,
            days=formats.days,
            hardware=formats.hardware,
            event_text=sentences.event_text,
            job_title=sentences.job_title,
            lateness=sentences.lateness,
            part_name=sentences.part_name,
            plan_status=sentences.plan_status,
            published_title=sentences.published_title,
            seal_status=sentences.seal_status,
            share=charts.share,
        )
        self._environment = environment

    def page(
        self,
        template: str,
        asked: Asked,
        state: LedgerState,
        *,
        names: Mapping[str, str],
        twin: str | None = None,
        **context: Any,  # noqa: ANN401 - what the template names
    ) -> bytes:
        """One page about the ledger at ``state``.

        ``names`` is what its authors are called, ``twin`` the address of the same as JSON.
        """
        tag = language_of(asked.path) or "en"
        with speaking(tag) as language, calling(names):
            html = self._environment.get_template(template).render(
                asked=asked,
                ledger=state,
                language=language,
                to=_linker(tag, asked),
                machine=_machine(asked),
                same=_same(asked),
                twin=_machine(asked)(twin) if twin else None,
                **context,
            )
        return html.encode()

    def problem(self, path: str, **context: Any) -> bytes:  # noqa: ANN401 - the same
        """The page of a problem: it needs no ledger."""
        tag = language_of(path) or "en"
        with speaking(tag) as language:
            html = self._environment.get_template("problem.html").render(
                asked=None,
                ledger=None,
                language=language,
                to=_linker(tag, None),
                machine=_machine(None),
                twin=None,
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


def _machine(asked: Asked | None) -> Callable[..., str]:
    def machine(path: str, **params: str | int | None) -> str:
        """An address for machines, as of the same size where it can be."""
        if asked is not None and asked.pinned and not path.startswith(("/log/", "/feeds/")):
            params.setdefault("at", asked.size)
        return query.address(path, params)

    return machine

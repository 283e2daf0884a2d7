"""/v1/templates: what structure sets can be asked for."""

from __future__ import annotations

from fastapi import APIRouter

from service.access.declarations import needs
from service.access.roles import Permission
from service.context import ContextOf
from service.problems import PROBLEM_RESPONSES
from service.template_views import (
    TemplateListView,
    TemplateView,
    build_template_summary,
    build_template_view,
)

router = APIRouter(prefix="/v1/templates", tags=["templates"], responses=PROBLEM_RESPONSES)


@router.get("")
@needs(Permission.DESCRIBE)
def list_templates(context: ContextOf) -> TemplateListView:
    """List the templates."""
    defaults = context.settings.default_template_names
    templates = [context.templates[name] for name in sorted(context.templates)]
    return TemplateListView(
        templates=[build_template_summary(one, one.name in defaults) for one in templates]
    )


@router.get("/{name}")
@needs(Permission.DESCRIBE)
def show_template(name: str, context: ContextOf) -> TemplateView:
    """Show all that a template says."""
    (template,) = context.find_templates([name])
    return build_template_view(template, name in context.settings.default_template_names)

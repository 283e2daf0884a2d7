"""/v1/models: what can be asked for."""

from __future__ import annotations

from fastapi import APIRouter

from service.access.declarations import needs
from service.access.roles import Permission
from service.context import ContextOf
from service.problems import PROBLEM_RESPONSES
from service.schemas import ModelListView, ModelView, build_model_summary

router = APIRouter(prefix="/v1/models", tags=["models"], responses=PROBLEM_RESPONSES)


@router.get("")
@needs(Permission.DESCRIBE)
def list_models(context: ContextOf) -> ModelListView:
    """List the models."""
    default_model = context.settings.default_model
    bundles = [context.bundles[name] for name in sorted(context.bundles)]
    return ModelListView(models=[build_model_summary(bundle, default_model) for bundle in bundles])


@router.get("/{name}")
@needs(Permission.DESCRIBE)
def show_model(name: str, context: ContextOf) -> ModelView:
    """Show a model's card."""
    bundle = context.find_bundle(name)
    is_default = name == context.settings.default_model
    return ModelView(checksum=bundle.checksum, is_default=is_default, card=bundle.card)

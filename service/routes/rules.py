"""/v1/rules: the rules in force, and a trial of them on a series that is not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from contouring.errors import EmptyUploadError, UploadTooLargeError
from contouring.opened_files import count_bytes, read_file
from service.access.declarations import needs
from service.access.roles import Permission
from service.context import Context, ContextOf
from service.forms import FILE_BODY, SERIES_FILES, Form, describe_form
from service.problems import PROBLEM_RESPONSES
from service.rules.rule_set import RuleSet, read_rule_set
from service.rules.trial import Defaults, try_rules
from service.rules.views import RuleSetView, TrialView
from service.uploads import receive_form, unpack_series, wanting_slices_or_zip
from workers.sources import Source, SourceKind

router = APIRouter(prefix="/v1/rules", tags=["rules"], responses=PROBLEM_RESPONSES)

RULES = "rules"
RULE_BYTES = 256 * 1024  # of a rule file that a request brings: hundreds of rules

_TRIAL_BODY = describe_form(
    "files",
    files=SERIES_FILES,
    rules={**FILE_BODY, "description": "A rule file to try; without it those in force."},
    source={"type": "string", "description": "Name of the sender."},
    source_kind={"type": "string", "enum": list(SourceKind)},
    calling_ae={"type": "string"},
    called_ae={"type": "string"},
    address={"type": "string", "description": "IP address of the sender."},
)


def _once(values: tuple[str, ...]) -> str:
    if len(values) > 1:
        raise ValueError(f"is given {len(values)} times")
    return values[0]


Once = BeforeValidator(_once)


class SourceFields(BaseModel):
    """Who is to be taken for the sender."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Once] = ""
    source_kind: Annotated[SourceKind, Once] = SourceKind.DIMSE
    calling_ae: Annotated[str, Once] = ""
    called_ae: Annotated[str, Once] = ""
    address: Annotated[str, Once] = ""

    def build(self) -> Source:
        """As the data path knows it."""
        return Source(self.source, self.source_kind, self.calling_ae, self.called_ae, self.address)


@router.get("")
@needs(Permission.SEE_RULES)
def show_rules(context: ContextOf) -> RuleSetView:
    """Show the rules in force, and whether their file is broken since."""
    rules = context.rules.rules
    return RuleSetView(checksum=rules.checksum or None, fault=context.rules.fault, rules=rules.file)


@router.post("/test", openapi_extra=_TRIAL_BODY)
@needs(Permission.TRY_RULES)
async def test_rules(request: Request, context: ContextOf) -> TrialView:
    """Tell which rules match a series and why not, and what would happen; nothing is kept.

    The answer shows what the series' headers say, also of the patient.
    """
    with context.series.stage() as folder:
        form = await receive_form(request, folder, context.settings)
        return await to_thread.run_sync(_try, form, folder, context, limiter=context.judging)


def _try(form: Form, folder: Path, context: Context) -> TrialView:
    source = _read_source(form)
    rule_set = _read_rules(form, context)
    sent = tuple(
        file for name, files in form.files_by_name.items() if name != RULES for file in files
    )
    if not sent:
        raise EmptyUploadError
    series = unpack_series(sent, folder, context.settings)
    settings = context.settings
    defaults = Defaults(settings.default_model, settings.default_template_names)
    with wanting_slices_or_zip():
        trial = try_rules(rule_set, list(series.names), series.names, source, defaults)
    return trial.model_copy(update={"ignored": [*trial.ignored, *series.left_out]})


def _read_source(form: Form) -> Source:
    try:
        return SourceFields.model_validate(form.fields).build()
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error


def _read_rules(form: Form, context: Context) -> RuleSet:
    """Those that the request brings, held to the server's names; else those in force."""
    files = form.files_by_name.get(RULES, ())
    if not files:
        return context.rules.rules
    if len(files) > 1:
        fault = {"loc": ("body", RULES), "msg": f"is one file, not {len(files)}"}
        raise RequestValidationError([fault])
    file = files[0]
    if count_bytes(file.path) > RULE_BYTES:
        raise UploadTooLargeError(file.name, f"{RULE_BYTES} bytes")
    return read_rule_set(Path(file.name), context.rules.known, read_file(file.path))

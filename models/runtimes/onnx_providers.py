"""How ONNX Runtime is told what to run a graph on, so that it runs there or says that it cannot."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import onnxruntime

from contouring.errors import RuntimeMissingError, UnusableRuntimeError
from models.runtime_names import RuntimeName
from models.runtimes.engine_folder import EngineFolder, EngineIdentity
from models.runtimes.engine_plans import Profile

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
GPU = "cuda"  # as ONNX Runtime calls the device
VERSION = f"ONNX Runtime {onnxruntime.__version__}"
WORKSPACE_BYTES = 4 << 30
FULL_FLOAT32 = "NVIDIA_TF32_OVERRIDE"
# What takes the time of a network; shapes are computed on the CPU everywhere.
HEAVY = frozenset(
    ("Conv", "ConvTranspose", "FusedConv", "Gemm", "InstanceNormalization", "MatMul", "Resize")
)

Provider = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class SessionPlan:
    """What a session is made with; `device`: where its inputs and outputs lie.

    `config`: session options by name; `lacking`: libraries of CUDA that were not found.
    """

    providers: tuple[Provider, ...]
    device: str
    config: dict[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()


ON_CPU = SessionPlan(((CPU, {}),), "cpu")


def plan_cuda() -> SessionPlan:
    """The GPU, with what it has no kernel for on the CPU; raises `RuntimeMissingError`."""
    lacking = _prepare(RuntimeName.ONNX_CUDA, CUDA, "gpu")
    recorded = {"session.record_ep_graph_assignment_info": "1"}
    return SessionPlan((_cuda(), (CPU, {})), GPU, recorded, lacking)


def plan_tensorrt(
    identity: EngineIdentity, engines: EngineFolder, image: str, profile: Profile
) -> SessionPlan:
    """Its engines as they are kept for `identity`, and nothing at all on the CPU.

    It builds those that are missing as the session opens: look first. `image`: the input's name.
    """
    folder = str(engines.folder_of(RuntimeName.ONNX_TENSORRT))
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        # It does not see by itself that GPU, driver or version have changed; this names them all.
        "trt_engine_cache_prefix": identity.stem,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
        "trt_max_workspace_size": str(WORKSPACE_BYTES),
        "trt_profile_min_shapes": _shape(image, profile.least),
        "trt_profile_opt_shapes": _shape(image, profile.best),
        "trt_profile_max_shapes": _shape(image, profile.largest),
    }
    return SessionPlan(
        ((TENSORRT, options), _cuda()), GPU, {"session.disable_cpu_ep_fallback": "1"}
    )


def load_tensorrt() -> str:
    """Its version; raises `RuntimeUnavailableError` where this ONNX Runtime has none to load."""
    runtime = RuntimeName.ONNX_TENSORRT
    _prepare(runtime, TENSORRT, "gpu,tensorrt")
    # The one way to tell TensorRT inside ONNX Runtime that float32 is not TF32.
    os.environ.setdefault(FULL_FLOAT32, "0")
    try:
        import tensorrt  # loads its library, which is on no path
    except (ImportError, OSError) as error:
        raise UnusableRuntimeError(runtime, f"{error}.") from error
    return f"TensorRT {tensorrt.__version__}"


def find_heavy_on_cpu(session: onnxruntime.InferenceSession) -> tuple[str, ...]:
    """Operators of a session, planned for CUDA, that take time and have no kernel there."""
    return tuple(
        sorted(
            {
                node.op_type
                for part in session.get_provider_graph_assignment_info()
                if part.ep_name == CPU
                for node in part.get_nodes()
            }
            & HEAVY
        )
    )


def _prepare(runtime: RuntimeName, provider: str, extra: str) -> tuple[str, ...]:
    """Load CUDA and cuDNN as pip installs them; answers with the libraries that are not there."""
    if provider not in onnxruntime.get_available_providers():
        raise RuntimeMissingError(runtime, extra)
    with redirect_stdout(io.StringIO()) as printed:
        onnxruntime.preload_dlls()
    return tuple(re.findall(r"^Failed to load ([^:\s]+)", printed.getvalue(), re.M))


def _cuda() -> Provider:
    # The default search takes four times as long in 3D; float32 is to mean float32.
    return CUDA, {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


def _shape(image: str, sides: tuple[int, ...]) -> str:
    return f"{image}:{'x'.join(map(str, sides))}"

"""A session of ONNX Runtime whose inputs and outputs stay where it computes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

SHAPES_KEPT = 2  # a stack of slices has a smaller rest


@dataclass(frozen=True)
class _Bound:
    """`shown` and `answered`: the device's memory for windows of one shape."""

    binding: onnxruntime.IOBinding
    shown: onnxruntime.OrtValue
    answered: onnxruntime.OrtValue


class BoundSession:
    """Copies each window to the device, and its answer from there, once; threads take turns.

    `device`: "cuda" or "cpu"; memory on it is kept for the last shapes of windows.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, image: str, logits: str, device: str
    ) -> None:
        self._session, self._image, self._logits = session, image, logits
        self._device = device
        self._turn = threading.Lock()
        self._kept: OrderedDict[tuple[int, ...], _Bound] = OrderedDict()  # the last one used last

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, channels, z, y, x) of images (N, 1, z, y, x), both float32, for the caller."""
        images = np.ascontiguousarray(images)
        with self._turn:
            kept = self._kept.get(images.shape)
            if kept is None:
                return self._bind(images)
            self._kept.move_to_end(images.shape)
            kept.shown.update_inplace(images)
            kept.binding.synchronize_inputs()
            self._session.run_with_iobinding(kept.binding)
            kept.binding.synchronize_outputs()
            return np.array(kept.answered.numpy(), np.float32)

    def _bind(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first of its shape: the session itself makes room for the answer, which is kept."""
        while len(self._kept) >= SHAPES_KEPT:
            self._kept.popitem(last=False)
        binding = self._session.io_binding()
        # Not from the images themselves: on the CPU that would be the caller's own memory.
        shown = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
            images.shape, np.float32, self._device, 0
        )
        shown.update_inplace(images)
        binding.bind_ortvalue_input(self._image, shown)
        binding.bind_output(self._logits, self._device, 0)
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        (answered,) = binding.get_outputs()
        binding.bind_ortvalue_output(self._logits, answered)
        self._kept[images.shape] = _Bound(binding, shown, answered)
        return np.array(answered.numpy(), np.float32)

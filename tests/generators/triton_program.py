"""Serve an ONNX file by a real Triton: run with a Python that has nvidia-pytriton and onnxruntime, see its test."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def main() -> None:
    path, port = sys.argv[1], int(sys.argv[2])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()

    @batch
    def infer(**feeds: np.ndarray) -> dict[str, np.ndarray]:
        (made,) = session.run([given.name], feeds)
        return {given.name: made}

    config = TritonConfig(
        http_address="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_port=port + 2, allow_metrics=False
    )
    with Triton(config=config) as triton:
        triton.bind(
            "net", infer, [Tensor(name=taken.name, dtype=np.float32, shape=(7, -1, -1))],
            [Tensor(name=given.name, dtype=np.float32, shape=(3, -1, -1))], config=ModelConfig(max_batch_size=4),
        )  # fmt: skip
        triton.serve()


if __name__ == "__main__":
    main()

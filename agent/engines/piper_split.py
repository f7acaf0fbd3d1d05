"""Split a Piper voice between its latent and its decoder, so that audio can be made in windows.

A VITS graph computes a latent (192 numbers per 256 samples) from the phonemes and then runs a
convolutional decoder over it, which takes nearly all the time. The split is found by structure:
the decoder begins with the convolution whose output reaches the first transposed convolution.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import structlog

_log = structlog.get_logger(__name__)

_LAYOUT = "1"
"""Changed whenever the split files would look different."""


@dataclass(frozen=True, slots=True)
class SplitVoice:
    """The two halves of a voice."""

    encoder: Path
    """Phonemes in; the decoder's inputs out, then the frames of every phoneme if known."""
    decoder: Path
    """The encoder's outputs in, audio out."""


class UnsplittableError(Exception):
    """The graph does not look like an encoder followed by a convolutional decoder."""


def split_voice(model: Path, folder: Path) -> SplitVoice | None:
    """Return the two halves of a voice, made once and kept.

    Args:
        model: the whole voice.
        folder: where halves are kept, named by the SHA-256 of the whole.

    Returns:
        None where the voice cannot be split; it must be decoded whole then.
    """
    digest = file_digest(model)
    halves = SplitVoice(
        folder / f"{digest[:16]}-{_LAYOUT}.encoder.onnx",
        folder / f"{digest[:16]}-{_LAYOUT}.decoder.onnx",
    )
    if halves.encoder.exists() and halves.decoder.exists():
        return halves
    try:
        encoder, decoder = split_graph(onnx.load(str(model)))
    except UnsplittableError as reason:
        _log.warning("voice_not_split", model=str(model), reason=str(reason))
        return None
    folder.mkdir(parents=True, exist_ok=True)
    _save(encoder, halves.encoder)
    _save(decoder, halves.decoder)
    return halves


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def split_graph(whole: onnx.ModelProto) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return encoder and decoder of a voice.

    Raises:
        UnsplittableError: no decoder was found.
    """
    graph = whole.graph
    producers = {output: node for node in graph.node for output in node.output}
    weights = {each.name for each in graph.initializer}
    output = graph.output[0].name
    latent = _find_latent(output, producers, weights)
    inside = _between(graph.node, latent, output)
    constants = {name for name, node in producers.items() if node.op_type == "Constant"}
    made = {name for node in inside for name in node.output}
    borders = [latent]
    decoder_nodes = list(inside)
    for name in _inputs(inside):
        if name in made or name in weights or name in borders:
            continue
        if name in constants:
            decoder_nodes.insert(0, producers[name])
            made.add(name)
        else:
            borders.append(name)
    outputs = [*borders, *_durations(graph.node)]
    encoder_nodes = _ancestors(graph.node, set(outputs))
    if not encoder_nodes or any(name not in producers for name in borders):
        raise UnsplittableError("the decoder takes the voice's own inputs")
    encoder = _model(whole, encoder_nodes, list(graph.input), [_value(each) for each in outputs])
    decoder = _model(whole, decoder_nodes, [_value(each) for each in borders], [graph.output[0]])
    return encoder, decoder


def _find_latent(output: str, producers: dict[str, Any], weights: set[str]) -> str:
    """Walk from the audio back to the first up-sampling, then to the convolution before it."""
    first_upsampling = None
    seen: set[str] = set()
    queue = [output]
    while queue:
        name = queue.pop(0)
        node = producers.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type == "ConvTranspose":
            first_upsampling = node
            queue = []
            seen.clear()
        inputs = [each for each in node.input if each and each not in weights]
        if first_upsampling is not None and node.op_type == "Conv":
            if _has_upsampling_above(inputs[0], producers):
                queue += inputs
                continue
            return str(inputs[0])
        queue += inputs
    raise UnsplittableError("no transposed convolution leads to the output")


def _has_upsampling_above(name: str, producers: dict[str, Any]) -> bool:
    seen: set[str] = set()
    queue = [name]
    while queue:
        node = producers.get(queue.pop())
        if node is None or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        if node.op_type == "ConvTranspose":
            return True
        queue += list(node.input)
    return False


def _between(nodes: Iterable[Any], start: str, end: str) -> list[Any]:
    """Return the nodes that depend on ``start`` and lead to ``end``; nodes are in order."""
    reached = {start}
    after = []
    for node in nodes:
        if any(each in reached for each in node.input):
            reached.update(node.output)
            after.append(node)
    return _ancestors(after, {end})


def _ancestors(nodes: Iterable[Any], wanted: set[str]) -> list[Any]:
    needed = set(wanted)
    kept = []
    for node in reversed(list(nodes)):
        if any(each in needed for each in node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _inputs(nodes: Iterable[Any]) -> Iterator[str]:
    seen: set[str] = set()
    for node in nodes:
        for name in node.input:
            if name and name not in seen:
                seen.add(name)
                yield name


def _durations(nodes: Iterable[Any]) -> list[str]:
    """Return the tensor of frames per phoneme: VITS rounds durations up, once."""
    rounded = [node.output[0] for node in nodes if node.op_type == "Ceil"]
    return rounded if len(rounded) == 1 else []


def _value(name: str) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)


def _model(
    whole: onnx.ModelProto, nodes: list[Any], inputs: list[Any], outputs: list[Any]
) -> onnx.ModelProto:
    used = set(_inputs(nodes))
    weights = [each for each in whole.graph.initializer if each.name in used]
    graph = onnx.helper.make_graph(nodes, "part", inputs, outputs, initializer=weights)
    made = onnx.helper.make_model(graph, opset_imports=list(whole.opset_import))
    made.ir_version = whole.ir_version
    return made


def _save(model: onnx.ModelProto, path: Path) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    onnx.save(model, str(partial))
    partial.replace(path)

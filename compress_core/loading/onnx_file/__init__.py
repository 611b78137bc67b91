"""ONNX files of anybody: read within bounds, understood operator by operator, built of torch's own layers."""

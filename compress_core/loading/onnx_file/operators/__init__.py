"""What becomes of each operator of ONNX, in files by what the operators do; all of them are found."""

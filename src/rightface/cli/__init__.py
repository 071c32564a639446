"""The command line: thin commands over the service and the registrar. Knows no storage, no ONNX."""

"""Speaks gRPC: converts, calls the engine, converts back. The only package that knows grpc and the contract."""

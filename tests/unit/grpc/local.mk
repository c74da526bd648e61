# unit tests of src/grpc

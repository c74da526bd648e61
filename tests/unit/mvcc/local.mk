# unit tests of src/mvcc

# unit tests of src/raft

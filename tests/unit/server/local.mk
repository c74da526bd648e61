# unit tests of src/server

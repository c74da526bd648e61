# unit tests of src/lease

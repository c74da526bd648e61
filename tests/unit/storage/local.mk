# unit tests of src/storage

# unit tests of src/membership

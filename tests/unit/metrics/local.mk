# unit tests of src/metrics

"""What stands behind `memsvc eval` and `memsvc bench`."""

"""What is measured of a service's speed and size, and of the model that reads for it."""

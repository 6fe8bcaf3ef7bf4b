"""Published conversation sets, each read into the shapes of eval.datasets.model."""

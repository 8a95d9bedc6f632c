"""Arrays to features: the shipped models, the image encoder and the face pipeline."""

"""Learning: data, losses over epochs, and the checkpoints that come out."""

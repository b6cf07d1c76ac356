"""What a model is worth: figures as the field reports them, on people and samples it has never learned from."""

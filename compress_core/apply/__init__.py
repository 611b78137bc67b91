"""Recipe + subject -> model, stage by stage: preparations, cuts, layers, their inputs, corrections."""

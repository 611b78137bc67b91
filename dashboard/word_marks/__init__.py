"""A text whose words are colored by how much they speak for a class."""

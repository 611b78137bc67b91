"""The evidence of a review, one part each."""

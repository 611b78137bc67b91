"""What a technique declares and returns."""

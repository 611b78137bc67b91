"""What the supplier of an argument sees, one view for each kind of place where a technique stands."""
